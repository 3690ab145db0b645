"""Safe names from whatever people call their files."""

import hashlib
import re
import unicodedata
from pathlib import PurePosixPath


def slug(text: str) -> str:
    """``text`` in letters, digits, dots, dashes and underscores, at most 64; never empty.

    Example:
        >>> slug("Läsion (3), links"), slug("...")
        ('Lasion-3-links', 'x')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:64] or "x"


def safe_id(relative: str, frame: int = 0) -> str:
    """An image id from a path relative to its data set: the slug of the stem and a short hash.

    The hash keeps ``a/1.png`` and ``b/1.png`` apart; frames after the first add ``_f<k>``.

    Example:
        >>> safe_id("left/scan 1.png")
        'scan-1-94fbd637'
    """
    posix = PurePosixPath(relative.replace("\\", "/"))
    digest = hashlib.sha256(posix.as_posix().encode()).hexdigest()[:8]
    return f"{slug(posix.stem)}-{digest}" + (f"_f{frame}" if frame else "")


def safe_stem(text: str) -> str:
    """``text`` itself when it is a safe file name, else its slug and a short hash of it.

    Example:
        >>> safe_stem("bus_0001-l"), safe_stem("Frau Müller")
        ('bus_0001-l', 'Frau-Muller-b53b9b67')
    """
    if slug(text) == text:
        return text
    return f"{slug(text)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
