"""Every plot of a report, as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sonoloop.evaluation.bootstrap import RESAMPLES
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.plots.agreement import scanner_plot, size_plot
from sonoloop.evaluation.plots.gallery import Tile, gallery_plot
from sonoloop.evaluation.plots.reliability import reliability_plot
from sonoloop.evaluation.plots.risk import risk_plot
from sonoloop.evaluation.plots.roc import roc_plot
from sonoloop.evaluation.summary import used_cases


def draw_report(
    folder: Path,
    cases: Sequence[Case],
    rows: Mapping[str, Sequence[Tile]],
    *,
    threshold: float,
    temperature: float = 1.0,
    resamples: int = RESAMPLES,
) -> list[Path]:
    """Draw what the cases allow; a plot of an earlier report that they do not allow is removed.

    Args:
        folder: Of the report.
        cases: Every evaluated image.
        rows: Pictures of the gallery.
        threshold: Probability of malignancy at and above which a case is called malignant.
        temperature: Of the classifier.
        resamples: Of the bootstrap.

    Returns:
        The files that were written.
    """
    used = used_cases(cases)
    plots = {
        "overlays.png": gallery_plot(rows),
        "roc.png": roc_plot(used, threshold=threshold, resamples=resamples),
        "reliability.png": reliability_plot(used, temperature=temperature, resamples=resamples),
        "dice_by_size.png": size_plot(used, resamples=resamples),
        "dice_by_scanner.png": scanner_plot(used, resamples=resamples),
        "risk_coverage.png": risk_plot(used, threshold=threshold, resamples=resamples),
    }
    written = []
    for name, figure in plots.items():
        path = folder / name
        if figure is None:
            path.unlink(missing_ok=True)
        else:
            figure.savefig(path)
            written.append(path)
    return written
