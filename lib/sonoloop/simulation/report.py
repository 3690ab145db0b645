"""Files of a simulation that a reader opens: ``simulation.json``, ``report.md`` and pictures."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sonoloop.evaluation.plots.style import told
from sonoloop.simulation.cells import CellFiles
from sonoloop.simulation.plan import Plan
from sonoloop.simulation.plot import SHORT, curves_plot, leads_plot, save_small
from sonoloop.simulation.results import BASELINES, SHARES, beats, read_curves, results

FOOT: Final = (
    "Values are means over seeds with 95 % intervals by Student's t; they tell of seeds, not of "
    "other patients. Area: mean height of the curve over the logarithm of the number of labels. "
    "Labels needed: where the mean curve first reaches that share of what all labels give, "
    "interval by bootstrap over seeds. p: two-sided Wilcoxon signed-rank test over seeds of the "
    "areas, after Holm's correction for the strategies compared with the same baseline."
)


def write_report(
    plan: Plan, described: Mapping[str, str], files: CellFiles, *, command: str
) -> dict[str, Any]:
    """Write everything from the cells that are there.

    Args:
        plan: What is simulated.
        described: Description of each strategy, by name.
        files: The cells.
        command: Which makes this simulation.

    Returns:
        The content of ``simulation.json``.

    Raises:
        ScoreError: If no seed is complete.
    """
    curves = read_curves(plan, described, files)
    found = {
        "command": command,
        "definition": files.definition(),
        "seeds_asked": list(plan.seeds),
        "described": dict(described),
        **results(curves),
    }
    folder = files.folder
    text = json.dumps(found, indent=1) + "\n"
    (folder / "simulation.json").write_text(text, encoding="utf-8")
    (folder / "report.md").write_text(markdown(found), encoding="utf-8")
    for name, figure in (("curves.png", curves_plot(found)), ("leads.png", leads_plot(found))):
        if figure is not None:
            save_small(figure, folder / name)
    return found


def markdown(found: dict[str, Any]) -> str:
    """The report as text.

    Args:
        found: Content of ``simulation.json``.
    """
    about = found["definition"]
    seeds, asked = len(found["seeds"]), len(found["seeds_asked"])
    parts = [
        "# Simulation",
        f"    {found['command']}",
        f"{about['pool']['images']} images of {about['pool']['patients']} patients can be "
        f"labelled, {about['test']['images']} images of {about['test']['patients']} patients are "
        f"measured on; {seeds} of {asked} seeds are complete. Frozen encoder: {about['encoder']}.",
        verdict(found),
        *(_curves(found, metric) for metric in found["full"]),
        *(_economy(found, metric) for metric in found["full"]),
        *(_comparison(found, metric) for metric in found["full"]),
        FOOT,
    ]
    return "\n\n".join(parts) + "\n"


def verdict(found: dict[str, Any]) -> str:
    """What beats the baselines, in sentences; that nothing does is said as well."""
    lines = []
    for metric in found["full"]:
        for baseline in BASELINES:
            if found["comparisons"][metric].get(baseline):
                ahead = beats(found, metric, baseline)
                who = ", ".join(ahead) if ahead else "No strategy"
                verb = "beat" if len(ahead) > 1 else "beats"
                lines.append(
                    f"{who} {verb} {baseline} in the area under the {SHORT[metric]} curve "
                    "(p < 0.05 after Holm's correction)."
                )
    return "\n".join(f"- {line}" for line in lines) or "There is no baseline to compare with."


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _curves(found: dict[str, Any], metric: str) -> str:
    counts = [str(count) for count in found["labels"]]
    rows = [
        [name, *(told(point) for point in of[metric]["curve"])]
        for name, of in found["strategies"].items()
    ]
    full = told(found["full"][metric])
    return (
        f"## {SHORT[metric]} by number of labels\n\n{_table(['strategy', *counts], rows)}\n\n"
        f"All labels: {full}."
    )


def _economy(found: dict[str, Any], metric: str) -> str:
    last = found["labels"][-1]
    rows = [
        [
            name,
            told(of[metric]["area"]),
            *(labels_told(of[metric]["labels_needed"][f"{s:.2f}"], last) for s in SHARES),
        ]
        for name, of in found["strategies"].items()
    ]
    head = ["strategy", "area", *(f"labels for {share:.0%}" for share in SHARES)]
    return f"## {SHORT[metric]}: area and labels needed\n\n{_table(head, rows)}"


def labels_told(figure: dict[str, Any], last: int) -> str:
    """Labels needed, as text; beyond the last round only that it is more.

    Example:
        >>> labels_told({"value": 131.7, "ci95": [110.2, None]}, 397)
        '132 [110, > 397]'
    """

    def one(value: float | None) -> str:
        return f"> {last}" if value is None else f"{value:.0f}"

    ends = figure["ci95"]
    return one(figure["value"]) + (f" [{one(ends[0])}, {one(ends[1])}]" if ends else "")


def _comparison(found: dict[str, Any], metric: str) -> str:
    sections = [f"## {SHORT[metric]}: leads in area"]
    for baseline, rows in found["comparisons"][metric].items():
        cells = [
            [
                name,
                signed(row["difference"]),
                f"{row['better']} of {row['seeds']}",
                "" if row["p"] is None else f"{row['p']:.4f}",
                f"{row['p_holm']:.4f}" if "p_holm" in row else "",
            ]
            for name, row in rows.items()
        ]
        head = ["strategy", f"lead over {baseline}", "seeds ahead", "p", "p (Holm)"]
        sections.append(_table(head, cells))
    return "\n\n".join(sections)


def signed(figure: dict[str, Any]) -> str:
    """A difference as text.

    Example:
        >>> signed({"value": 0.0123, "ci95": [-0.001, 0.0256]})
        '+0.0123 [-0.0010, +0.0256]'
    """
    ends = figure["ci95"]
    text = f"{figure['value']:+.4f}"
    return text + (f" [{ends[0]:+.4f}, {ends[1]:+.4f}]" if ends else "")
