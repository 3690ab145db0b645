"""The command ``monailabel``, as MONAI Label's own script starts it.

Not every installer takes over the script in MONAI Label's wheel, so ours is installed beside
``sonoloop``. Unlike that script it ends in good order when it is told to (SIGTERM).
"""

import signal
import sys
from types import FrameType


def run() -> None:
    """Entry point of the installed command."""
    # Before the imports, which take seconds. The server keeps this handler and calls it last.
    signal.signal(signal.SIGTERM, _end)
    from monailabel.main import Main

    Main().run()


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
