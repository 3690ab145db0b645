"""Eight readers, two hundred images, trainings, and a server that is killed five times."""

import sys
from pathlib import Path

import pytest

from chaos import run


def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run(tmp_path, readers=8, images=200, kills=5, seed=4)

    with capsys.disabled():
        sys.stdout.write(f"\nchaos, seed 4:\n{outcome.lines()}\n")
    assert outcome.violations == []
    assert outcome.figures["server killed"] == 5
    assert outcome.figures["images labelled"] == 200
    assert outcome.figures["models published"] != 0
