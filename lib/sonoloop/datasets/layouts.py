"""One door to every layout: :func:`read_dataset`."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sonoloop.datasets.busbra import is_busbra, read_busbra
from sonoloop.datasets.busi import is_busi, read_busi
from sonoloop.datasets.folder import read_folder
from sonoloop.datasets.manifest import is_manifest, read_manifest
from sonoloop.datasets.reading import DatasetReading, Layout
from sonoloop.datasets.studies import is_studies, read_studies
from sonoloop.errors import DatasetError

_READERS: dict[Layout, Callable[[Path], DatasetReading]] = {
    "busi": read_busi,
    "busbra": read_busbra,
    "manifest": read_manifest,
    "folder": read_folder,
    "studies": read_studies,
}

_RECOGNISED: tuple[tuple[Layout, Callable[[Path], bool]], ...] = (
    ("busbra", is_busbra),
    ("busi", is_busi),
    ("studies", is_studies),
    ("manifest", is_manifest),
)


def read_dataset(root: Path, layout: Layout | Literal["auto"] = "auto") -> DatasetReading:
    """Images of the data set in ``root`` with what is known of them, and what was left out.

    No image is opened: a mask of another size than its image is found when it is read.

    Args:
        root: Folder of the data set, or the CSV file of a manifest.
        layout: How it is laid out; ``auto`` recognises it by its files, and takes anything else
            for a plain folder of images.

    Raises:
        DatasetError: If ``root`` is absent, holds no image of that layout, or a table is malformed.
    """
    if not root.exists():
        raise DatasetError(f"no such data set: {str(root)!r}")
    if layout == "auto":
        layout = detect_layout(root)
    reading = _READERS[layout](root)
    if not reading.images:
        reasons = f": {reading.skipped[0].reason}" if reading.skipped else ""
        raise DatasetError(f"no usable image of layout {layout!r} in {str(root)!r}{reasons}")
    return reading


def detect_layout(root: Path) -> Layout:
    """The layout that the files of ``root`` suggest; ``folder`` when none does."""
    return next((layout for layout, recognises in _RECOGNISED if recognises(root)), "folder")
