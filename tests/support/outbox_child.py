"""Takes an outbox to a folder, again and again, to be killed while it does.

``outbox_child.py STUDIES WORKSPACE``: for every line it is told, it forks a process that empties
the outbox. Forked, not started: importing takes longer than what is to be tested. Says
``ready PID`` before it begins, ``step`` after every entry, and ``idle`` when nothing is left or
``dead`` when it was killed.
"""

import os
import sys
from pathlib import Path

from sonoloop.pacs.folder import FolderSource
from sonoloop.reporting.warming import warm_up
from sonoloop.service.outbox import Outbox
from sonoloop.settings import WriteBackSettings
from sonoloop.store import Store

PATIENCE_S = 120.0


def say(*words: object) -> None:
    """One line, whole or not at all."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def empty(studies: Path, workspace: Path) -> bool:
    """Take everything there; False when that takes too long."""
    source = FolderSource(studies, workspace)
    with Store.open(workspace) as store:
        source.scan(store)
        outbox = Outbox(store, source, WriteBackSettings(), changed=lambda: say("step"))
        say("ready", os.getpid())
        outbox.start()
        idle = outbox.wait_until_idle(PATIENCE_S)
        outbox.close()
    return idle


def main(studies: str, workspace: str) -> None:
    """Empty the outbox for every line."""
    warm_up()
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(0 if empty(Path(studies), Path(workspace)) else 1)
        _, status = os.waitpid(pid, 0)
        say("idle" if status == 0 else "dead")


if __name__ == "__main__":
    main(*sys.argv[1:])
