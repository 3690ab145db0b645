"""The gate in the worker: measured, written down, published or not."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sonoloop.errors import ModelError
from sonoloop.evaluation.verdicts import GateDecision
from sonoloop.inference.engine import Batch, Engine
from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.networks.card import ModelCard, read_card
from sonoloop.networks.weights import save_model
from sonoloop.records import LabelledImage, ModelRecord, ModelTask
from sonoloop.service import gate as gate_module
from sonoloop.service.gate import Gate, label_key, locked_split, reference_figure
from sonoloop.settings import GateSettings, PipelineSettings
from sonoloop.store import Store
from sonoloop.store.gates import GateResult

COUNT = 24
SIZE = 64


class Shifted:
    """Marks what is bright, some pixels to the side; knows the class as well as it is told."""

    def __init__(self, folder: Path) -> None:
        self.card = read_card(folder)
        if self.card.options.get("torn"):
            raise ModelError("the weights are torn")

    def __call__(self, batch: Batch) -> Batch:
        if self.card.task == "segmentation":
            bright = (batch > 0.5).astype(np.float32)
            return np.roll(bright, int(self.card.options["shift"]), axis=3)
        sure = float(self.card.options["sure"])
        malignant = np.where(batch.max((1, 2, 3)) > 0.9, sure, 1 - sure)
        columns = (np.zeros_like(malignant), 1 - malignant, malignant)
        return np.stack(columns, axis=1).astype(np.float32)


@dataclass
class Site:
    store: Store
    folder: Path
    images: list[LabelledImage]

    def model(
        self, model_id: str, task: ModelTask = "segmentation", **options: object
    ) -> ModelRecord:
        folder = self.folder / model_id
        card = ModelCard(
            model_id=model_id,
            task=task,
            architecture="fake",
            options=options,
            input_size_px=SIZE,
            classes=tuple(PATHOLOGIES) if task == "classification" else ("lesion",),
            metrics={"validation": {"dice": 0.9, "auc": 0.95}},
        )
        network = torch.nn.Linear(1, 1)
        if options.get("broken"):
            torch.nn.init.constant_(network.weight, float("nan"))
        card = save_model(network, card, folder)
        return self.store.models.register(card.as_dict(), folder)

    def judge(self, candidate: ModelRecord, **more: object) -> GateResult:
        gate = Gate(
            self.store,
            self.images,
            settings=GateSettings(),
            pipeline=PipelineSettings(device="cpu"),
            **more,  # type: ignore[arg-type]
        )
        return gate.judge(candidate, job_id="job")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """24 locked patients, each with a bright square; malignant ones are brighter."""

    def load(folder: Path, _: PipelineSettings) -> Engine:
        return Shifted(folder)

    monkeypatch.setattr(gate_module, "load_engine", load)
    images = []
    for n in range(COUNT):
        pixels = np.zeros((SIZE, SIZE), dtype=np.uint8)
        high = 16 + n % 8
        pixels[20 : 20 + high, 20:44] = 250 if n % 2 else 180
        path, label = tmp_path / f"{n}.png", tmp_path / f"{n}_mask.png"
        Image.fromarray(pixels).save(path)
        Image.fromarray((pixels > 100).astype(np.uint8)).save(label)
        images.append(
            LabelledImage(
                image_id=f"i{n}",
                image_path=path,
                mask_paths=(label,),
                has_mask=True,
                pathology=Pathology.MALIGNANT if n % 2 else Pathology.BENIGN,
                patient=f"p{n}",
            )
        )
    with Store.open(tmp_path / "workspace") as store:
        yield Site(store, tmp_path / "made", images)


def serving(site: Site, task: ModelTask = "segmentation") -> str:
    found = site.store.models.serving(task)
    return found.model_id if found else ""


def test_a_better_candidate_serves_and_its_labels_are_trusted(site: Site) -> None:
    site.store.models.publish(site.model("old", shift=4).model_id)
    told: list[tuple[int, int]] = []

    result = site.judge(
        site.model("new", shift=0), advance=lambda done, total: told.append((done, total))
    )

    assert result.verdict == "published"
    assert serving(site) == "new"
    (newest, _) = site.store.models.history("segmentation")
    assert (newest.kind, newest.actor, newest.reason) == ("gate", "gate", result.reason)
    kept = site.store.gates.of_model("new")
    assert kept is not None
    assert (kept.against, kept.job_id) == ("old", "job")
    assert len(site.store.gates.cases(kept.number)) == COUNT
    assert len(site.store.gates.trusted("segmentation")) == COUNT
    assert told[-1] == (2 * COUNT, 2 * COUNT)


def test_a_worse_candidate_is_kept_but_does_not_serve(site: Site) -> None:
    site.store.models.publish(site.model("old", shift=0).model_id)

    result = site.judge(site.model("new", shift=6))

    assert result.verdict == "rejected"
    assert serving(site) == "old"
    assert [model.model_id for model in site.store.models.list()] == ["old", "new"]


def test_a_pinned_model_is_not_replaced(site: Site) -> None:
    site.store.models.publish(site.model("old", shift=4).model_id)
    site.store.models.pin("old", actor="ada", reason="a study")

    result = site.judge(site.model("new", shift=0))

    assert result.verdict == "held"
    assert result.reason.startswith("segmentation is pinned to old by ada; no worse than")
    assert serving(site) == "old"


def test_a_candidate_measured_beside_what_no_longer_serves_is_held(site: Site) -> None:
    site.store.models.publish(site.model("old", shift=4).model_id)
    site.model("between", shift=1)

    def publish_another(done: int, _: int) -> None:
        if done == COUNT:
            site.store.models.publish("between", reason="by hand, meanwhile")

    result = site.judge(site.model("new", shift=0), advance=publish_another)

    assert result.verdict == "held"
    assert "between serves by now, not old" in result.reason
    assert serving(site) == "between"


def test_weights_that_are_no_numbers_are_rejected_without_measuring(site: Site) -> None:
    site.store.models.publish(site.model("old", shift=4).model_id)

    result = site.judge(site.model("new", shift=0, broken=True))

    assert result.verdict == "rejected"
    assert "1 of its tensors hold what is no number (first weight)" in result.reason


def test_whose_fault_it_is_that_nothing_runs_is_told_apart(site: Site) -> None:
    torn = site.model("torn", shift=0, torn=True)
    site.store.models.publish(site.model("old", shift=4).model_id)
    result = site.judge(torn)

    site.store.models.publish("torn")
    with pytest.raises(ModelError, match="the weights are torn"):
        site.judge(site.model("new", shift=0))

    assert result.verdict == "rejected"
    assert result.reason == "the candidate cannot be run: the weights are torn"


def test_losses_within_the_margin_are_remembered_until_a_person_vouches(site: Site) -> None:
    site.store.models.publish(site.model("first", shift=0).model_id)
    site.model("second", shift=0)
    lost = site.store.gates.write(
        "second", GateDecision(verdict="published", reason="within"), against="first", debt=-0.03
    )
    site.store.models.publish("second", kind="gate", gate=lost.number)

    in_debt = site.judge(site.model("third", shift=0))
    site.store.models.rollback("segmentation")
    site.store.models.publish("second", kind="hand", reason="looked at it", gate=lost.number)
    vouched_for = site.judge(site.model("fourth", shift=0))

    assert in_debt.verdict == "held"
    assert "may not fall below -0.000" in in_debt.reason
    assert vouched_for.verdict == "published"


def test_a_first_classifier_is_measured_without_a_segmenter(site: Site) -> None:
    result = site.judge(site.model("first", "classification", sure=0.8))

    assert result.verdict == "published"
    assert "patient AUC 1.000 on 24 locked patients" in result.reason


def test_a_classifier_is_measured_on_what_the_serving_segmenter_marks(site: Site) -> None:
    site.store.models.publish(site.model("segmenter", shift=0).model_id)
    site.store.models.publish(site.model("old", "classification", sure=0.6).model_id)

    better = site.judge(site.model("better", "classification", sure=0.9))
    worse = site.judge(site.model("worse", "classification", sure=0.2))

    assert (better.verdict, worse.verdict) == ("published", "rejected")
    assert serving(site, "classification") == "better"


def test_what_a_serving_model_could_do_is_read_from_the_gate_before_the_card(site: Site) -> None:
    old = site.model("old", shift=4)
    site.store.models.publish("old")
    before = reference_figure(site.store, old)
    new = site.model("new", shift=0)
    site.judge(new)

    assert before == 0.9
    assert reference_figure(site.store, new) == pytest.approx(1.0)


def test_places_are_remembered_for_good(site: Site) -> None:
    first = locked_split(site.store, site.images[:10], share=0.4)

    later = locked_split(site.store, site.images, share=0.05)

    assert first.locked
    assert set(first.locked) <= set(later.locked)
    assert set(first.trainable) <= set(later.trainable)


def test_another_mask_or_class_is_another_label(site: Site) -> None:
    image = site.images[0]
    redrawn = dataclasses.replace(image, mask_paths=site.images[2].mask_paths)
    reclassed = dataclasses.replace(image, pathology=Pathology.NORMAL)

    keys = {label_key(one) for one in (image, redrawn, reclassed)}

    assert len(keys) == 3
    assert label_key(dataclasses.replace(image, birads="5")) == label_key(image)
