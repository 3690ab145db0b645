import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from sonoloop.scenarios.chart import draw_chart
from sonoloop.scenarios.report import COLUMNS, csv_text, markdown, write_report


@pytest.fixture
def table() -> dict[str, Any]:
    """One row that is done, one that failed, one that waits."""
    about = {"trained_on": "north@1", "tested_on": "north@2", "seeds": [0, 1]}
    model = {"parameters": 2_000_000, "seconds_per_epoch": 1.25}
    return {
        "scenario": "crops",
        "question": "Which crop?",
        "charted": ["auc_patient"],
        "command": "sonoloop scenarios --only crops",
        "rows": [
            {
                **about,
                "variant": "true crop",
                "status": "done",
                "figures": {
                    "auc_patient": {"value": 0.9, "ci95": [0.8, 0.95], "by_seed": [0.88, 0.92]},
                    "unmarked": {"value": None, "ci95": None, "by_seed": []},
                },
                "n_images": 40,
                "n_patients": 30,
                "n_lesions": 40,
                "n_normals": 0,
                "n_unread": 0,
                "shared": {"patients": 0, "groups": 0, "files": 0},
                "models": [{"segmentation": model, "classification": model}, {}],
            },
            {**about, "variant": "whole image", "status": "failed", "reason": "no\nluck"},
            {**about, "variant": "predicted crop", "status": "not run yet"},
        ],
    }


def test_the_table_shows_figures_counts_and_what_is_shared(table: dict[str, Any]) -> None:
    text = markdown([table])

    row = next(line for line in text.splitlines() if line.startswith("| true crop"))
    assert "0.900 [0.800, 0.950] (seeds 0.880-0.920)" in row
    assert "| 40 / 30 | 0 / 0 / 0 | 0, 1 |" in row
    assert "| 4.00 M | 2.5 |" in row
    assert "    sonoloop scenarios --only crops" in text


def test_a_figure_that_no_row_has_gets_no_column(table: dict[str, Any]) -> None:
    assert "normals unmarked" not in markdown([table])


def test_rows_are_of_the_width_of_their_head(table: dict[str, Any]) -> None:
    widths = {line.count("|") for line in markdown([table]).splitlines() if line.startswith("|")}

    assert len(widths) == 1


def test_a_failure_is_told_with_its_reason(table: dict[str, Any]) -> None:
    text = markdown([table])

    assert "| whole image | north@1 | north@2 | failed |" in text
    assert "- whole image on north@2: no luck" in text
    assert "| predicted crop | north@1 | north@2 | not run yet |" in text


def test_the_csv_has_a_line_for_each_figure_and_each_failure(table: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([table]))))

    assert tuple(rows[0]) == COLUMNS
    assert [(r["variant"], r["status"], r["figure"], r["value"]) for r in rows] == [
        ("true crop", "done", "auc_patient", "0.9"),
        ("true crop", "done", "unmarked", ""),
        ("whole image", "failed", "", ""),
        ("predicted crop", "not run yet", "", ""),
    ]
    assert (rows[0]["low"], rows[0]["high"], rows[0]["shared_patients"]) == ("0.8", "0.95", "0")


def test_a_chart_has_a_dot_with_its_interval_for_each_row_that_is_done(
    table: dict[str, Any],
) -> None:
    chart = draw_chart(table)

    assert chart is not None
    (axis,) = chart.axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == [
        "true crop: → north@2",
        "whole image: → north@2 (failed)",
        "predicted crop: → north@2 (not run yet)",
    ]
    (bar,) = axis.containers
    assert [tuple(segment[:, 0]) for segment in bar[2][0].get_segments()] == [
        pytest.approx((0.8, 0.95))
    ]


def test_there_is_no_chart_before_there_is_a_figure(table: dict[str, Any]) -> None:
    table["rows"] = table["rows"][1:]

    assert draw_chart(table) is None


def test_everything_is_written(table: dict[str, Any], tmp_path: Path) -> None:
    write_report(tmp_path, [table])

    assert json.loads((tmp_path / "results.json").read_text()) == [table]
    assert (tmp_path / "results.md").read_text() == markdown([table])
    assert (tmp_path / "results.csv").read_text() == csv_text([table])
    assert (tmp_path / "charts" / "crops.png").stat().st_size > 1000
