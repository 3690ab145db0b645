"""One server a workspace: two would start each other's trainings and remove each other's files."""

import fcntl
import os
from pathlib import Path

from sonoloop.errors import StoreError
from sonoloop.store.paths import make_workspace, refusals_told


class WorkspaceLock:
    """Held as long as the process lives or until it is released; the system frees it on a crash.

    Raises:
        StoreError: If another server holds it, or the workspace cannot be made or written.
    """

    def __init__(self, workspace: Path) -> None:
        make_workspace(workspace)
        with refusals_told(workspace):
            self._file = (workspace / "server.lock").open("a+")
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
        with refusals_told(workspace):
            self._file.truncate(0)
            self._file.write(str(os.getpid()))
            self._file.flush()

    def release(self) -> None:
        """Let another server have the workspace."""
        self._file.close()
