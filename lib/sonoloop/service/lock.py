"""One server a workspace: two would start each other's trainings and remove each other's files."""

import fcntl
import os
from pathlib import Path

from sonoloop.errors import StoreError


class WorkspaceLock:
    """Held as long as the process lives or until it is released; the system frees it on a crash.

    Raises:
        StoreError: If another server holds it.
    """

    def __init__(self, workspace: Path) -> None:
        workspace.mkdir(parents=True, exist_ok=True)
        path = workspace / "server.lock"
        self._file = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise StoreError(
                f"the workspace {workspace} is in use by another server, process {holder} "
                f"(stop it, or choose another workspace)"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let another server have the workspace."""
        self._file.close()
