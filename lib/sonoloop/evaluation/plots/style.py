"""What the plots have in common: colours that colour-blind readers tell apart, fonts, canvas."""

from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
VERMILLION: Final = "#D55E00"
SKY: Final = "#56B4E9"
"""Colours of Okabe & Ito, "Color Universal Design", 2008."""

GREY: Final = "#666666"
BAND: Final = 0.18
"""Opacity of intervals."""

DPI: Final = 150
SMALL: Final = 8.5
"""Size of notes in points."""


def canvas(
    width: float = 6.4, height: float = 5.0, *, rows: int = 1, columns: int = 1
) -> tuple[Figure, list[Axes]]:
    """A figure of that size in inches and its axes, row by row."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, [axis for row in axes for axis in row]


def tidy(axis: Axes, *, title: str, x: str, y: str) -> None:
    """Title, labels with units, a light grid and no box."""
    axis.set_title(title, fontsize=10.5, loc="left")
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def told(figure: dict[str, Any]) -> str:
    """A figure of ``metrics.json`` as text.

    Example:
        >>> told({"value": 0.8932, "ci95": [0.8771, 0.905]})
        '0.893 [0.877, 0.905]'
    """
    value, interval = figure["value"], figure["ci95"]
    if value is None:
        return "none"
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def bars(figure: dict[str, Any]) -> list[list[float]] | None:
    """Lengths of the error bar below and above the value of a figure, (2, 1); None without."""
    value, interval = figure["value"], figure["ci95"]
    if interval is None:
        return None
    return [[max(0.0, value - interval[0])], [max(0.0, interval[1] - value)]]
