"""Stand-in for the package ``pydicom-seg``, which cannot be imported with pydicom 3.

MONAI Label 0.8.5 imports it at module level for its own DICOM SEG conversion, which Sonoloop never
uses. The import succeeds; whatever would really use the package fails with a clear sentence.
"""

from typing import NoReturn


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Unavailable(name)


class _Unavailable:
    """A name of the real package; usable by none."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _refuse(self) -> NoReturn:
        raise RuntimeError(
            f"pydicom_seg.{self._name} is not available: Sonoloop does not use MONAI Label's "
            "DICOM SEG conversion (see docs/decisions.md)"
        )

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> "NoReturn":
        self._refuse()
