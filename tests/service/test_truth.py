"""What is believed of an image, and what is left out of a training."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from sonoloop.errors import NotFoundError
from sonoloop.evaluation.overlap import dice
from sonoloop.geometry import Mask
from sonoloop.imaging.labelled import read_mask_files
from sonoloop.labels import Pathology
from sonoloop.quality.doubt import Doubt
from sonoloop.records import Annotation, ImageRecord, LabelledImage
from sonoloop.service.truth import FOLDER, training_truth
from sonoloop.store.annotations import NewAnnotation
from sonoloop.store.store import Store

Say: TypeAlias = Callable[..., Annotation]
SHAPE = (40, 60)
BENIGN, MALIGNANT, NORMAL = Pathology.BENIGN, Pathology.MALIGNANT, Pathology.NORMAL


def block(left: int = 15, width: int = 20) -> Mask:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[10:30, left : left + width] = True
    return mask


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A store of three images."""
    with Store.open(tmp_path / "workspace") as opened:
        opened.images.upsert_many(
            [
                ImageRecord(
                    image_id=f"1.{number}",
                    source="folder",
                    locator=f"{number}.png",
                    frame=0,
                    frame_count=1,
                    rows=SHAPE[0],
                    columns=SHAPE[1],
                    spacing_mm=None,
                    patient_id=f"p{number}",
                    study_instance_uid=None,
                    series_instance_uid=None,
                    sop_instance_uid=None,
                    info={"device": "Alpha"},
                )
                for number in range(3)
            ]
        )
        yield opened


@pytest.fixture
def say(store: Store) -> Say:
    """Saves what a reader says of the first image."""

    def saying(
        reader: str, mask: Mask | None, pathology: Pathology | None, **more: Any
    ) -> Annotation:
        facts = {"image_id": "1.0", "reader": reader, "pathology": pathology} | more
        return store.annotations.save(NewAnnotation(**facts), mask)

    return saying


def outline(item: LabelledImage) -> Mask:
    return read_mask_files(item.mask_paths, shape=SHAPE)


class TestOneReader:
    def test_his_own_file_is_the_truth(self, store: Store, say: Say) -> None:
        saved = say("a", block(), MALIGNANT, birads="5")

        (item,) = training_truth(store)

        assert item.mask_paths == (store.annotations.mask_file(saved),)
        assert (item.pathology, item.birads, item.patient) == (MALIGNANT, "5", "p0")
        assert (item.has_mask, item.device) == (True, "Alpha")
        assert not (store.paths.cache / FOLDER).exists()

    def test_his_newest_word_counts(self, store: Store, say: Say) -> None:
        say("a", block(), MALIGNANT)
        say("a", block(20), BENIGN)

        (item,) = training_truth(store)

        assert item.pathology is BENIGN
        np.testing.assert_array_equal(outline(item), block(20))

    @pytest.mark.parametrize("state", ["draft", "conflicting", "rejected"])
    def test_what_does_not_count_is_left_out(self, store: Store, say: Say, state: str) -> None:
        say("a", block(), MALIGNANT, state=state)

        assert training_truth(store) == []

    def test_a_normal_image_has_an_outline_without_a_file(self, store: Store, say: Say) -> None:
        say("a", None, NORMAL)

        (item,) = training_truth(store)

        assert (item.has_mask, item.mask_paths) == (True, ())

    def test_an_image_whose_file_has_gone_is_left_out_and_counted(
        self, store: Store, say: Say, caplog: pytest.LogCaptureFixture
    ) -> None:
        def path_of(record: ImageRecord) -> Path:
            if record.image_id == "1.0":
                raise NotFoundError("gone")
            return Path(record.locator)

        say("a", block(), MALIGNANT)
        say("a", block(), MALIGNANT, image_id="1.1")

        (item,) = training_truth(store, path_of)

        assert (item.image_id, item.image_path) == ("1.1", Path("1.png"))
        assert "1 labelled images are left out" in caplog.text

    def test_images_of_unknown_patients_are_not_one_patient(self, store: Store, say: Say) -> None:
        nameless = [
            dataclasses.replace(image, image_id=f"2.{n}", locator=f"2.{n}.png", patient_id=None)
            for n, image in enumerate(store.images.list()[:2])
        ]
        store.images.upsert_many(nameless)
        for image in nameless:
            say("a", None, NORMAL, image_id=image.image_id)

        assert len({item.patient for item in training_truth(store)}) == 2


class TestSeveralReaders:
    def test_their_outlines_become_a_file_of_the_cache(self, store: Store, say: Say) -> None:
        store.assignments.to_any(["1.0"], 2)
        say("a", block(10), MALIGNANT, birads="5")
        say("b", block(20), BENIGN, birads="3")

        (item,) = training_truth(store)

        assert item.mask_paths[0].parent == store.paths.cache / FOLDER
        assert dice(outline(item), block(15)) > 0.9
        assert (item.pathology, item.birads) == (MALIGNANT, "5")

    @pytest.mark.parametrize("method", ["majority", "staple"])
    def test_three_are_nearer_to_the_middle_one(self, store: Store, say: Say, method: Any) -> None:
        for reader, left in zip("abc", (13, 15, 17), strict=True):
            say(reader, block(left), BENIGN)

        (item,) = training_truth(store, method=method)

        assert dice(outline(item), block(15)) > 0.95

    def test_the_cache_is_asked_again_and_follows_what_is_said(
        self, store: Store, say: Say
    ) -> None:
        say("a", block(10), BENIGN)
        say("b", block(20), BENIGN)
        (before,) = training_truth(store)
        (same,) = training_truth(store)
        stamp = before.mask_paths[0].stat().st_mtime_ns
        say("b", block(14), BENIGN)
        (after,) = training_truth(store)

        assert before.mask_paths == same.mask_paths != after.mask_paths
        assert same.mask_paths[0].stat().st_mtime_ns == stamp
        assert dice(outline(after), block(12)) > 0.95

    def test_outlines_that_do_not_meet_leave_the_class_alone(self, store: Store, say: Say) -> None:
        say("a", block(0, 10), BENIGN)
        say("b", block(40, 10), BENIGN)

        (item,) = training_truth(store)
        (again,) = training_truth(store)

        assert (item.mask_paths, item.has_mask, item.pathology) == ((), False, BENIGN)
        assert again == item

    def test_a_damaged_outline_makes_no_consensus(self, store: Store, say: Say) -> None:
        say("a", block(10), BENIGN)
        damaged = say("b", block(20), BENIGN)
        store.annotations.mask_file(damaged).write_bytes(b"torn")

        (item,) = training_truth(store)

        assert (item.mask_paths, item.has_mask) == ((), False)

    def test_counting_makes_no_outlines(self, store: Store, say: Say) -> None:
        say("a", block(10), BENIGN)
        say("b", block(20), BENIGN)

        (item,) = training_truth(store, outlines=False)

        assert len(item.mask_paths) == 2
        assert not (store.paths.cache / FOLDER).exists()

    def test_until_enough_have_answered_nothing_is_believed(self, store: Store, say: Say) -> None:
        store.assignments.to_any(["1.0"], 2)
        say("a", block(), BENIGN)

        assert training_truth(store) == []

    def test_a_tie_with_not_assessable_is_left_out_and_two_to_one_is_not(
        self, store: Store, say: Say
    ) -> None:
        say("a", block(), BENIGN)
        store.skips.add("1.0", "b", "not_assessable", "no contact gel")
        tied = training_truth(store)
        say("c", block(), BENIGN)

        assert tied == []
        assert [item.image_id for item in training_truth(store)] == ["1.0"]

    def test_to_skip_an_image_says_nothing(self, store: Store, say: Say) -> None:
        say("a", block(), BENIGN)
        store.skips.add("1.0", "b", "skip", "lunch")

        assert len(training_truth(store)) == 1


class TestWhoseWordCounts:
    def test_an_accepted_revision_stands_before_newer_ones(self, store: Store, say: Say) -> None:
        accepted = say("a", block(10), MALIGNANT)
        store.reviews.accept(accepted.annotation_id, "chief")
        say("a", block(30), BENIGN)
        say("b", block(30), BENIGN)

        (item,) = training_truth(store)

        assert item.pathology is MALIGNANT
        np.testing.assert_array_equal(outline(item), block(10))

    def test_an_adjudication_stands_before_all(self, store: Store, say: Say) -> None:
        accepted = say("a", block(10), MALIGNANT)
        store.reviews.accept(accepted.annotation_id, "chief")
        say("judge", block(20), BENIGN, adjudicates=True)

        (item,) = training_truth(store)

        assert item.pathology is BENIGN
        np.testing.assert_array_equal(outline(item), block(20))

    def test_two_accepted_readers_make_a_consensus(self, store: Store, say: Say) -> None:
        for reader, left in (("a", 10), ("b", 20)):
            store.reviews.accept(say(reader, block(left), BENIGN).annotation_id, "chief")
        say("c", block(40), MALIGNANT)

        (item,) = training_truth(store)

        assert item.pathology is BENIGN
        assert dice(outline(item), block(15)) > 0.9

    def test_a_rejected_reader_has_no_word(self, store: Store, say: Say) -> None:
        say("a", block(10), BENIGN)
        store.reviews.reject(say("b", block(20), MALIGNANT).annotation_id, "chief")

        (item,) = training_truth(store)

        assert item.pathology is BENIGN
        np.testing.assert_array_equal(outline(item), block(10))

    @pytest.mark.parametrize("accepted", [False, True])
    def test_an_open_quality_flag_keeps_it_out_unless_accepted(
        self, store: Store, say: Say, accepted: bool
    ) -> None:
        saved = say("a", block(), BENIGN)
        doubt = Doubt(kind="whole_image", sentence="for the test")
        store.quality.settle("1.0", {saved.annotation_id: [doubt]}, kinds=["whole_image"])
        if accepted:
            store.reviews.accept(saved.annotation_id, "chief")

        assert len(training_truth(store)) == int(accepted)
        assert len(training_truth(store, doubted_too=True)) == 1

    @pytest.mark.parametrize(("far", "kept"), [(1, 2), (2, 3)])
    def test_a_model_far_from_most_labels_is_doubted_instead_of_them(
        self, store: Store, say: Say, far: int, kept: int
    ) -> None:
        doubt = Doubt(kind="far_from_model", subject="model", sentence="for the test")
        for number in range(3):
            saved = say("a", block(), BENIGN, image_id=f"1.{number}")
            if number < far:
                found = {saved.annotation_id: [doubt]}
                store.quality.settle(saved.image_id, found, kinds=["far_from_model"])

        assert len(training_truth(store)) == kept

    def test_an_outline_without_class_is_listed_and_learned_from(
        self, store: Store, say: Say
    ) -> None:
        saved = say("a", block(), None)
        doubt = Doubt(kind="mask_without_class", sentence="for the test")
        store.quality.settle("1.0", {saved.annotation_id: [doubt]}, kinds=["mask_without_class"])

        (item,) = training_truth(store)

        assert (item.has_mask, item.pathology) == (True, None)
        assert store.quality.open_images() == {"1.0"}
