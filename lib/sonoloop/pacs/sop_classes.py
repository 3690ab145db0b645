"""The kinds of DICOM instance that are taken and written (PS3.4 B.5)."""

from typing import Final

ULTRASOUND: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.6.1",
        "1.2.840.10008.5.1.4.1.1.3.1",  # multi-frame
        "1.2.840.10008.5.1.4.1.1.6",  # retired
        "1.2.840.10008.5.1.4.1.1.3",  # multi-frame, retired
    }
)
SECONDARY_CAPTURE: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.7",
        "1.2.840.10008.5.1.4.1.1.7.2",
        "1.2.840.10008.5.1.4.1.1.7.4",
    }
)
"""Counts as an image when it says that it is ultrasound."""

SEGMENTATION: Final = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""Segmentation and Label Map Segmentation."""

REPORT: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.88.11",  # Basic Text
        "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced
        "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive
        "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D
    }
)


KEY_OBJECTS: Final = frozenset({"1.2.840.10008.5.1.4.1.1.88.59"})
"""Key Object Selection: notes that take documents back, among others."""


def is_image(sop_class: str, modality: str) -> bool:
    """Whether an instance is a two-dimensional ultrasound image."""
    return sop_class in ULTRASOUND or (sop_class in SECONDARY_CAPTURE and modality == "US")


def is_document(sop_class: str) -> bool:
    """Whether an instance says something of an image, or of what was said: SEG, SR and KO."""
    return sop_class in SEGMENTATION | REPORT | KEY_OBJECTS
