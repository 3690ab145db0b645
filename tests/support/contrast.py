"""Contrast of colours, as WCAG 2.2 defines it."""

TEXT_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3: text against what is behind it."""
SHAPE_CONTRAST = 3.0
"""WCAG 2.2, 1.4.11: lines, bars, edges of controls."""


def luminance(colour: str) -> float:
    """Relative luminance of a colour such as ``#0a2b6c``."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, in [1, 21]."""
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)
