from collections.abc import Callable
from pathlib import Path

import pytest

from sonoloop.errors import NotFoundError
from sonoloop.evaluation.verdicts import CaseDifference, Comparison, GateDecision
from sonoloop.store import Store

FIGURE = Comparison(
    measure="dice",
    candidate=0.8,
    serving=0.7,
    difference=0.1,
    ci95=(0.05, 0.15),
    margin=0.02,
    patients=20,
)


def case(image_id: str, candidate: float, serving: float | None) -> CaseDifference:
    return CaseDifference(
        image_id=image_id,
        patient=f"p-{image_id}",
        label_key=f"key-{image_id}",
        measure="dice",
        candidate=candidate,
        serving=serving,
    )


DECISION = GateDecision(
    verdict="held",
    reason="the labels are suspect",
    figures=(FIGURE,),
    cases=(case("1", 0.9, 0.5), case("2", 0.3, 0.6), case("3", 0.5, 0.5)),
    suspects=("2",),
)


@pytest.fixture
def models(store: Store, tmp_path: Path) -> tuple[str, str]:
    """Ids of two registered models."""
    for model_id in ("old", "new"):
        folder = tmp_path / model_id
        folder.mkdir()
        for name in ("weights.safetensors", "card.json"):
            (folder / name).write_text(model_id)
        card = {"model_id": model_id, "task": "segmentation", "architecture": "unet"}
        store.models.register(card, folder)
    return "old", "new"


def test_a_result_is_kept_with_its_figures_and_cases(store: Store, models: tuple[str, str]) -> None:
    old, new = models

    written = store.gates.write(new, DECISION, against=old, debt=-0.01, job_id="job")

    assert store.gates.get(written.number) == store.gates.of_model(new) == written
    assert (written.against, written.verdict, written.suspects) == (old, "held", ("2",))
    assert written.figures == (FIGURE.as_dict(),)
    assert (written.debt, written.job_id) == (-0.01, "job")
    assert [found.image_id for found in store.gates.cases(written.number)] == ["2", "3", "1"]


def test_results_come_newest_first(store: Store, models: tuple[str, str]) -> None:
    old, new = models
    numbers = [store.gates.write(name, DECISION, against=None).number for name in (old, new, new)]

    assert [found.number for found in store.gates.list("segmentation")] == numbers[::-1]
    assert store.gates.list("classification") == []
    newest = store.gates.of_model(new)
    assert newest is not None
    assert newest.number == numbers[-1]


def test_a_first_model_has_cases_without_a_serving_one(
    store: Store, models: tuple[str, str]
) -> None:
    alone = GateDecision(verdict="published", reason="the first", cases=(case("1", 0.9, None),))

    number = store.gates.write(models[0], alone, against=None).number

    (found,) = store.gates.cases(number)
    assert found.serving is None
    assert store.gates.get(number).against is None


@pytest.mark.parametrize(
    "call", [lambda s: s.gates.get(7), lambda s: s.gates.write("x", DECISION, against=None)]
)
def test_what_there_is_not_is_told(store: Store, call: Callable[[Store], object]) -> None:
    with pytest.raises(NotFoundError, match=r"no gate result 7|unknown model 'x'"):
        call(store)


def test_a_model_never_measured_has_no_result(store: Store, models: tuple[str, str]) -> None:
    assert store.gates.of_model(models[0]) is None


def test_only_labels_a_publication_stood_on_are_trusted(
    store: Store, models: tuple[str, str]
) -> None:
    old, new = models
    held = store.gates.write(new, DECISION, against=old)
    assert store.gates.trusted("segmentation") == set()

    store.models.publish(new, actor="ada", reason="the labels are right", gate=held.number)

    assert store.gates.trusted("segmentation") == {(n, f"key-{n}") for n in ("1", "2", "3")}
    assert store.gates.trusted("classification") == set()


def test_the_place_of_a_patient_never_changes(store: Store) -> None:
    store.gates.remember_places({"a": True, "b": False})

    store.gates.remember_places({"a": False, "b": True, "c": True})

    assert store.gates.places({"a", "b", "c", "d"}) == {"a": True, "b": False, "c": True}
