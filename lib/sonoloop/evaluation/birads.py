"""What a reader's BI-RADS category says of the malignancy of a lesion."""

from typing import Final

SUSPICION: Final = {
    "1": 1.0,
    "2": 2.0,
    "3": 3.0,
    "4A": 4.0,
    "4B": 4.5,
    "4": 4.5,
    "4C": 4.75,
    "5": 5.0,
}
"""Order of the assessment categories (ACR BI-RADS Atlas, 5th edition); only the order counts.

A 4 without letter stands in the middle of its subdivisions. Category 0 is no final assessment and
6 is given after a biopsy: neither is a reading of the image that could be compared."""

SUSPICIOUS: Final = 4.0
"""At and above 4A (or an undivided 4) the Atlas recommends a biopsy: called malignant."""


def suspicion(category: str | None) -> float | None:
    """Rank of a category, higher for more suspicious; None for none, 0 and 6.

    Example:
        >>> suspicion("4A"), suspicion("6")
        (4.0, None)
    """
    return None if category is None else SUSPICION.get(category)
