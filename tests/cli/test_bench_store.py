"""``sonoloop bench store``."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sonoloop.cli.bench_store import SHAPE, STRATEGIES, Filling, cost_plot, image_id, outline
from sonoloop.cli.main import app
from sonoloop.store import NewAnnotation, Store

READERS = ("r0", "r1")


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as store:
        store.dump.load(Filling(40, READERS).rows)
        yield store


def test_half_of_the_images_are_labelled_and_half_of_the_others_wait_for_one_more(
    filled: Store,
) -> None:
    records = filled.images.list()

    assert len(records) == 40
    assert [r.labelled for r in records] == [True] * 20 + [False] * 20
    assert [r.readers_done for r in records] == [1] * 30 + [0] * 10
    assert [r.readers_wanted for r in records] == [1] * 20 + [2] * 20


def test_the_counters_are_those_the_store_itself_keeps(filled: Store) -> None:
    before = filled.images.list()

    for record in before:
        filled.assignments.to_any([record.image_id], record.readers_wanted)

    assert filled.images.list() == before


def test_the_first_reader_is_led_past_what_he_has_answered(filled: Store) -> None:
    offered = [filled.images.next_unlabelled(reader=reader) for reader in READERS]

    assert [image and image.image_id for image in offered] == [image_id(30), image_id(20)]


def test_a_filled_workspace_takes_labels(filled: Store) -> None:
    new = NewAnnotation(image_id=image_id(35), reader="r1", base_revision=0)

    saved = filled.annotations.save(new, outline(1))

    assert saved.revision == 1
    assert filled.annotations.mask(saved).shape == SHAPE


def test_figures_and_plot_are_written(tmp_path: Path) -> None:
    arguments = ["bench", "store", "--out", str(tmp_path), "--size", "40", "--size", "60"]

    result = CliRunner().invoke(app, [*arguments, "--calls", "5", "--readers", "2"])

    assert result.exit_code == 0, result.output
    assert "first" in result.output
    figures = json.loads((tmp_path / "store.json").read_text())
    assert [row["images"] for row in figures["rows"]] == [40, 60]
    for row in figures["rows"]:
        assert set(row["next"]) == set(STRATEGIES)
        assert row["save"]["n"] >= 3
        assert 0 < row["save"]["p50_ms"] <= row["save"]["p95_ms"] <= row["save"]["max_ms"]
    assert (tmp_path / "store.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.json", "store.png"]


def test_the_plot_draws_every_strategy_and_the_saves() -> None:
    spread = {"p95_ms": 4.0}
    row = {"next": dict.fromkeys(STRATEGIES, spread), "save": spread}

    figure = cost_plot([row | {"images": 1000}, row | {"images": 10_000}])

    assert len(figure.axes[0].get_legend().get_texts()) == len(STRATEGIES) + 1  # type: ignore[union-attr]
