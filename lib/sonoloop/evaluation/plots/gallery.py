"""Best, median and worst masks as outlines on the images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.plots.style import DPI, ORANGE, SKY, SMALL
from sonoloop.geometry import Mask

TILES = 4
"""Pictures of each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One picture: (H, W) grey, (H, W) predicted and true mask, and what stands above it."""

    caption: str
    pixels: npt.NDArray[np.uint8]
    pred: Mask
    truth: Mask


def chosen_cases(cases: Sequence[Case], *, tiles: int = TILES) -> dict[str, list[Case]]:
    """The cases worth looking at, row by row; no case stands in two rows.

    Rows are ``best``, ``median`` and ``worst`` by Dice of the lesion images, and
    ``normal, but marked`` for false marks; rows without a case are left out.
    """
    ranked = sorted(
        (case for case in cases if case.dice is not None), key=lambda case: -(case.dice or 0.0)
    )
    count = min(tiles, -(-len(ranked) // 3))
    best, rest = ranked[:count], ranked[count:]
    worst, middle = rest[-count:] if rest else [], rest[:-count]
    start = max(0, len(middle) // 2 - count // 2)
    marked = [case for case in cases if case.has_lesion is False and case.marked]
    rows = {
        "best": best,
        "median": middle[start : start + count],
        "worst": worst,
        "normal, but marked": marked[:tiles],
    }
    return {name: row for name, row in rows.items() if row}


def caption_of(case: Case) -> str:
    """Name, Dice and Hausdorff distance of a case, or that it is normal."""
    if case.dice is None or case.hd95_px is None:
        return f"{case.image_id[:28]}\nno lesion"
    return f"{case.image_id[:28]}\nDice {case.dice:.3f}, HD95 {case.hd95_px:.0f} px"


def gallery_plot(rows: Mapping[str, Sequence[Tile]]) -> Figure | None:
    """A sheet of pictures with both outlines; None without pictures."""
    if not rows:
        return None
    figure = Figure(figsize=(TILES * 2.7, 0.5 + len(rows) * 2.75), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(rows), TILES, squeeze=False)
    for axes, (name, tiles) in zip(grid, rows.items(), strict=True):
        axes[0].set_ylabel(name, fontsize=11)
        for index, axis in enumerate(axes):
            _blank(axis)
            axis.set_anchor("N")  # captions of a row on one line
            if index < len(tiles):
                _draw(axis, tiles[index])
    lines = [
        Line2D([], [], color=SKY, linewidth=2, label="reader (truth)"),
        Line2D([], [], color=ORANGE, linewidth=2, linestyle="--", label="model"),
    ]
    figure.legend(handles=lines, loc="outside upper center", ncols=2, frameon=False)
    return figure


def _blank(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _draw(axis: Axes, tile: Tile) -> None:
    axis.imshow(tile.pixels, cmap="gray", vmin=0, vmax=255, interpolation="bilinear")
    for mask, colour, dashes in ((tile.truth, SKY, "-"), (tile.pred, ORANGE, "--")):
        if mask.any():
            # A margin of background closes the outline of a mask that touches the border.
            outline = np.pad(mask, 1).astype(np.float32)
            rows, columns = (np.arange(-1, size + 1) for size in mask.shape)
            axis.contour(
                columns, rows, outline, levels=[0.5], colors=[colour], linewidths=1.4,
                linestyles=[dashes],
            )  # fmt: skip
    height, width = tile.pixels.shape
    axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axis.set_title(tile.caption, fontsize=SMALL)
