import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sonoloop.cli.main import app
from sonoloop.inference.shipped import shipped_model


@pytest.mark.slow
@pytest.mark.skipif(
    not shipped_model("segmentation").is_dir(), reason="no shipped models to measure"
)
def test_bench_serve_measures_every_way_of_calling(sample_studies: Path, tmp_path: Path) -> None:
    report = tmp_path / "bench.json"

    quick = "--rounds", "5", "--seconds", "2", "--json", str(report)
    result = CliRunner().invoke(app, ["bench", "serve", "--studies", str(sample_studies), *quick])

    assert result.exit_code == 0, result.output
    figures = json.loads(report.read_text())
    ways = {"raw network", "pipeline", "HTTP /infer", "HTTP /infer, nothing written since"}
    assert set(figures["latency"]) == ways
    assert [row["clients"] for row in figures["load"]] == [1, 2, 4, 8]
    assert all(row["images_per_s"] > 0 for row in figures["load"])
    assert figures["info_under_load"]["n"] > 0
    assert figures["server"]["idle_rss_mb"] > 0
