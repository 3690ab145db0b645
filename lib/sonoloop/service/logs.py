"""What the server and the graphics card say of themselves."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from sonoloop.errors import InvalidRequestError
from sonoloop.service.processes import tail

SERVER_LOG: Final = "server.log"
MAX_LINES: Final = 10_000
_BYTES_A_LINE: Final = 512


class Logs:
    """The log folder of one workspace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def server_file(self) -> Path:
        """Where the server writes its log."""
        return self._folder / SERVER_LOG

    def last(self, lines: int) -> str:
        """The last lines of the server's log; empty while it has none.

        Raises:
            InvalidRequestError: If ``lines`` is not in [1, 10000].
        """
        if not 1 <= lines <= MAX_LINES:
            raise InvalidRequestError(f"lines must be in [1, {MAX_LINES}], got {lines}")
        found = tail(self.server_file, lines=lines, max_bytes=lines * _BYTES_A_LINE)
        return "".join(f"{line}\n" for line in found)

    def gpu(self) -> str:
        """What ``nvidia-smi`` says, or one line that there is no GPU here."""
        program = shutil.which("nvidia-smi")
        if program is None:
            return "no NVIDIA GPU on this machine (nvidia-smi is not installed)\n"
        try:
            report = subprocess.run(
                [program], capture_output=True, text=True, timeout=20, check=False
            )
        except subprocess.TimeoutExpired:
            return "nvidia-smi did not answer within 20 seconds\n"
        return report.stdout or report.stderr or "nvidia-smi said nothing\n"
