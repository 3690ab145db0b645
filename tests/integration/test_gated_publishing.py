"""Acceptance of the gate: sabotaged trainings are never published, honest improvements are.

Real trainings of small networks on drawn images. ``pytest -s`` shows every verdict.
"""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sabotage
from sonoloop.records import ModelRecord, ModelTask
from sonoloop.store.gates import GateResult

pytestmark = pytest.mark.slow

Verdicts = list[tuple[str, GateResult]]

FEW: dict[ModelTask, int] = {"segmentation": 24, "classification": 20}
"""Images that the model learned from which the others are to replace."""

FEW_EPOCHS: dict[ModelTask, int] = {"segmentation": 14, "classification": 2}
HONEST: dict[ModelTask, dict[str, Any]] = {
    "segmentation": {"max_epochs": 6, "learning_rate": 2e-3},
    "classification": {"max_epochs": 6},
}


def told(name: str, result: GateResult) -> tuple[str, GateResult]:
    """The verdict, shown as it comes."""
    figure = result.figures[0] if result.figures else {}
    difference = figure.get("difference")
    gain = "     -" if difference is None else f"{difference:+.3f}"
    sys.stdout.write(f"{name:34} {result.verdict:9} {gain}  {result.reason}\n")
    sys.stdout.flush()
    return name, result


def of_few_labels(site: Any, task: ModelTask) -> ModelRecord:
    """A model that serves, trained when little was labelled: more labels improve it."""
    folder = site.train(task, site.trainable[: FEW[task]], max_epochs=FEW_EPOCHS[task], seed=1)
    model: ModelRecord = site.register(folder)
    site.store.models.publish(model.model_id, kind="shipped", reason="the first")
    return model


def improved(site: Any, task: ModelTask, serving: ModelRecord, count: int) -> Verdicts:
    """Honest trainings on every label, each against the same serving model."""
    verdicts: Verdicts = []
    for seed in range(count):
        folder = site.train(task, initial=serving, seed=10 + seed, **HONEST[task])
        result = site.judge(folder)
        verdicts.append(told(f"honest, seed {seed}", result))
        if result.verdict == "published":
            assert site.store.models.rollback(task).model_id == serving.model_id
    return verdicts


def count(verdicts: Verdicts, verdict: str) -> int:
    return sum(result.verdict == verdict for _, result in verdicts)


def spoil_segmenter(site: Any, serving: ModelRecord) -> dict[str, Callable[[], GateResult]]:
    """Ten ways to spoil a segmenter; of three the locked labels are as bad as the others."""

    def on_labels(change: sabotage.ChangeMask, *, also_locked: bool = False) -> GateResult:
        def bad(images: Any, part: str) -> Any:
            return sabotage.relabelled(images, site.folder / change.__name__ / part, change)

        folder = site.train(
            "segmentation", bad(site.trainable, "train"), initial=serving, max_epochs=3
        )
        locked = bad(site.locked, "locked") if also_locked else None
        result: GateResult = site.judge(folder, locked)
        return result

    def on_weights(change: Callable[[Any], Any]) -> GateResult:
        folder = site.folder / change.__name__
        result: GateResult = site.judge(sabotage.reweighted(serving.directory, folder, change))
        return result

    return {
        "inverted masks": lambda: on_labels(sabotage.inverted),
        "masks of noise": lambda: on_labels(sabotage.noise),
        "masks elsewhere": lambda: on_labels(sabotage.elsewhere),
        "everything is lesion": lambda: on_labels(sabotage.everything),
        "masks of a few pixels": lambda: on_labels(sabotage.a_dot),
        "inverted masks, locked ones too": lambda: on_labels(sabotage.inverted, also_locked=True),
        "masks elsewhere, locked ones too": lambda: on_labels(sabotage.elsewhere, also_locked=True),
        "weights of zeros": lambda: on_weights(sabotage.all_zero),
        "weights that are no numbers": lambda: on_weights(sabotage.no_number),
        "weights by chance": lambda: on_weights(sabotage.forgotten),
    }


def spoil_classifier(site: Any, serving: ModelRecord) -> dict[str, Callable[[], GateResult]]:
    """Five ways to spoil a classifier."""

    def on_labels(change: Any, *, also_locked: bool = False) -> GateResult:
        images = sabotage.with_classes(site.trainable, change)
        folder = site.train("classification", images, initial=serving, max_epochs=3)
        locked = sabotage.with_classes(site.locked, change) if also_locked else None
        result: GateResult = site.judge(folder, locked)
        return result

    def on_weights(change: Callable[[Any], Any]) -> GateResult:
        folder = site.folder / f"classifier-{change.__name__}"
        result: GateResult = site.judge(sabotage.reweighted(serving.directory, folder, change))
        return result

    return {
        "swapped classes": lambda: on_labels(sabotage.swapped),
        "classes by lot": lambda: on_labels(sabotage.drawn_by_lot),
        "swapped classes, locked ones too": lambda: on_labels(sabotage.swapped, also_locked=True),
        "weights of zeros": lambda: on_weights(sabotage.all_zero),
        "weights that are no numbers": lambda: on_weights(sabotage.no_number),
    }


def test_no_sabotaged_segmenter_is_published_and_honest_ones_are(
    make_site: Callable[[], Any],
) -> None:
    site = make_site()
    serving = of_few_labels(site, "segmentation")

    spoilt = [told(name, spoil()) for name, spoil in spoil_segmenter(site, serving).items()]
    honest = improved(site, "segmentation", serving, 10)

    assert len(spoilt) == 10
    assert count(spoilt, "published") == 0
    assert count(honest, "published") >= 8


def test_no_sabotaged_classifier_is_published_and_honest_ones_are(
    make_site: Callable[[], Any],
) -> None:
    site = make_site()
    segmenter = site.register(site.train("segmentation", max_epochs=10, seed=1))
    site.store.models.publish(segmenter.model_id, kind="shipped", reason="the first")
    serving = of_few_labels(site, "classification")

    spoilt = [told(name, spoil()) for name, spoil in spoil_classifier(site, serving).items()]
    honest = improved(site, "classification", serving, 5)

    assert count(spoilt, "published") == 0
    assert count(honest, "published") >= 4


def test_rolling_back_brings_back_the_very_bytes(make_site: Callable[[], Any]) -> None:
    site = make_site()
    serving = of_few_labels(site, "segmentation")
    before = digest(serving.directory)
    better = site.register(site.train("segmentation", initial=serving, max_epochs=1))
    site.store.models.publish(better.model_id, reason="another")

    back = site.store.models.rollback("segmentation")

    assert back.model_id == serving.model_id
    assert digest(back.directory) == before
    assert digest(better.directory) != before


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
