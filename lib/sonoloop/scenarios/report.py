"""The tables of all scenarios: ``results.json``, ``results.csv``, ``results.md`` and the charts."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sonoloop.scenarios.chart import draw_chart
from sonoloop.scenarios.figures import TITLES
from sonoloop.scenarios.folders import write_json

Table = dict[str, Any]
"""A scenario with its question, command and rows."""

COLUMNS: Final[tuple[str, ...]] = (
    "scenario", "variant", "trained_on", "tested_on", "status", "figure", "value", "low", "high",
    "by_seed", "seeds", "n_images", "n_patients", "n_lesions", "n_normals", "n_unread",
    "shared_patients", "shared_groups", "shared_files", "parameters", "seconds_per_epoch",
    "reason",
)  # fmt: skip

FOOT: Final = (
    "Values are means over the seeds; 95 % intervals are bootstrapped over the patients of the "
    "test images, the same draws for every seed. Shared: patients, near-duplicate groups and "
    "files that training and test images have in common. Sensitivity and specificity are of "
    "images, at the operating point chosen on validation (sensitivity 0.95 there)."
)


def write_report(root: Path, tables: Sequence[Table]) -> None:
    """Write everything a reader opens, from the tables of all scenarios that were run.

    Args:
        root: Folder of the comparison.
        tables: In the order of the catalogue.
    """
    write_json(root / "results.json", tables)
    (root / "results.csv").write_text(csv_text(tables), encoding="utf-8")
    (root / "results.md").write_text(markdown(tables), encoding="utf-8")
    for table in tables:
        chart = draw_chart(table)
        if chart is not None:
            (root / "charts").mkdir(exist_ok=True)
            chart.savefig(root / "charts" / f"{table['scenario']}.png")


def csv_text(tables: Sequence[Table]) -> str:
    """One line for each figure of each row; one without figure for a row that has none."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for table in tables:
        for row in table["rows"]:
            writer.writerows(_lines(table["scenario"], row))
    return stream.getvalue()


def _lines(scenario: str, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    line: dict[str, Any] = {name: row[name] for name in COLUMNS if name in row}
    line |= {"scenario": scenario, "seeds": " ".join(map(str, row["seeds"]))}
    line |= {f"shared_{name}": count for name, count in row.get("shared", {}).items()}
    parameters, seconds = size_and_pace(row)
    line |= {"parameters": parameters, "seconds_per_epoch": seconds}
    if not row.get("figures"):
        yield line
    for name, figure in row.get("figures", {}).items():
        low, high = figure["ci95"] or ("", "")
        values = " ".join(f"{value:.4f}" for value in figure["by_seed"])
        yield line | {
            "figure": name, "value": figure["value"], "low": low, "high": high, "by_seed": values
        }  # fmt: skip


def size_and_pace(row: dict[str, Any]) -> tuple[int | None, float | None]:
    """Parameters of all models of a row, and seconds an epoch of training them, of the first seed.

    None where nothing was trained, or the pace was not seen.
    """
    models = list((row.get("models") or [{}])[0].values())
    seconds = [model["seconds_per_epoch"] for model in models]
    return (
        sum(model["parameters"] for model in models) if models else None,
        round(sum(seconds), 3) if seconds and None not in seconds else None,
    )


def markdown(tables: Sequence[Table]) -> str:
    """A table for each scenario, with the command that makes it."""
    parts = ["# Scenarios", *(_section(table) for table in tables), FOOT]
    return "\n\n".join(parts) + "\n"


def _section(table: Table) -> str:
    rows = table["rows"]
    found = {
        name
        for row in rows
        for name, figure in row.get("figures", {}).items()
        if figure["value"] is not None
    }
    names = [name for name in TITLES if name in found]
    head = ["variant", "trained on", "tested on", "images / patients", "shared", "seeds",
            *(TITLES[name] for name in names), "parameters", "s / epoch"]  # fmt: skip
    lines = [head, ["---"] * len(head), *(_cells(row, names) for row in rows)]
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    failed = [f"- {row['variant']} on {row['tested_on']}: {one_line(row['reason'])}"
              for row in rows if "reason" in row]  # fmt: skip
    reasons = "\n\nFailed:\n\n" + "\n".join(failed) if failed else ""
    return (
        f"## {table['scenario']}\n\n{table['question']}\n\n{body}{reasons}\n\n"
        f"    {table['command']}"
    )


def _cells(row: dict[str, Any], names: Sequence[str]) -> list[str]:
    about = [row["variant"], row["trained_on"], row["tested_on"]]
    seeds = ", ".join(map(str, row["seeds"]))
    if "figures" not in row:
        return [*about, row["status"], "", seeds, *([""] * len(names)), "", ""]
    common = row["shared"]
    parameters, seconds = size_and_pace(row)
    return [
        *about,
        f"{row['n_images']} / {row['n_patients']}",
        f"{common['patients']} / {common['groups']} / {common['files']}",
        seeds,
        *(figure_text(row["figures"].get(name)) for name in names),
        f"{parameters / 1e6:.2f} M" if parameters else "",
        f"{seconds:.1f}" if seconds else "",
    ]


def figure_text(figure: dict[str, Any] | None) -> str:
    """``0.893 [0.878, 0.905]``, with the spread of several seeds behind it.

    Example:
        >>> figure_text({"value": 0.9, "ci95": [0.85, 0.95], "by_seed": [0.89, 0.91]})
        '0.900 [0.850, 0.950] (seeds 0.890-0.910)'
    """
    if figure is None or figure["value"] is None:
        return ""
    text = f"{figure['value']:.3f}"
    if figure["ci95"]:
        text += f" [{figure['ci95'][0]:.3f}, {figure['ci95'][1]:.3f}]"
    seeds = figure["by_seed"]
    return text + (f" (seeds {min(seeds):.3f}-{max(seeds):.3f})" if len(seeds) > 1 else "")


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())
