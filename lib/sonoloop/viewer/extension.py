"""Where our extension of the viewer lies: ES modules that the viewer loads as they are."""

from pathlib import Path
from typing import Final

EXTENSION: Final = Path(__file__).resolve().parents[3] / "apps" / "ohif"
"""Folder with ``extension.js`` and ``mode.js``, in the checkout this package is installed from."""

ENTRIES: Final = ("extension.js", "mode.js")


def extension_is_there(folder: Path = EXTENSION) -> bool:
    """True when the viewer can be given both modules."""
    return all((folder / name).is_file() for name in ENTRIES)
