"""What a lesion and an image can be called.

``Pathology`` is what the tissue is; ``birads`` is how worried the reader is (ACR BI-RADS Atlas,
5th edition, assessment categories 0-6). The two are never mixed.
"""

from enum import StrEnum
from typing import Final

from sonoloop.errors import InvalidRequestError


class Pathology(StrEnum):
    """Kind of tissue, in the order of the classifier's outputs."""

    NORMAL = "normal"
    BENIGN = "benign"
    MALIGNANT = "malignant"


PATHOLOGIES: Final = tuple(Pathology)
"""Order of the classifier's outputs: index 0 is normal, 1 benign, 2 malignant."""

LESION: Final = 1
"""Value of lesion pixels in a label map; 0 is background."""

LABEL_NAMES: Final = {"lesion": LESION}
"""Names of the label map's values, as viewers list them."""

BIRADS_CATEGORIES: Final = ("0", "1", "2", "3", "4", "4A", "4B", "4C", "5", "6")
"""Assessment categories of the ACR BI-RADS Atlas, 5th edition, with the subdivisions of 4."""


def parse_pathology(value: object) -> Pathology | None:
    """The pathology named by ``value``, or None for None and the empty string.

    Raises:
        InvalidRequestError: If ``value`` is no pathology.

    Example:
        >>> parse_pathology("Benign")
        <Pathology.BENIGN: 'benign'>
    """
    if value is None or value == "":
        return None
    try:
        return Pathology(str(value).strip().lower())
    except ValueError:
        raise InvalidRequestError(
            f"unknown pathology {value!r} (one of {', '.join(PATHOLOGIES)})"
        ) from None


def parse_birads(value: object) -> str | None:
    """The BI-RADS category named by ``value``, or None for None and the empty string.

    Raises:
        InvalidRequestError: If ``value`` is no category.

    Example:
        >>> parse_birads("4a"), parse_birads(3), parse_birads("")
        ('4A', '3', None)
    """
    if value is None or value == "":
        return None
    category = str(value).strip().upper()
    if category not in BIRADS_CATEGORIES:
        raise InvalidRequestError(
            f"unknown BI-RADS category {value!r} (one of {', '.join(BIRADS_CATEGORIES)})"
        )
    return category
