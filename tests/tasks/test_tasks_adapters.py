"""Inference, training, strategies and scoring under MONAI Label's interfaces."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monailabel.interfaces.exception import MONAILabelError, MONAILabelException

from sonoloop.imaging.masks import decode_label_map, encode_image
from sonoloop.service.info import MODELS, TRAINERS
from sonoloop.service.scoring import METHODS
from sonoloop.service.server import Service
from sonoloop.service.strategies import STRATEGIES
from sonoloop.tasks.datastore import StoreDatastore
from sonoloop.tasks.infer import LesionInfer
from sonoloop.tasks.scoring import ServiceBatch, ServiceScoring
from sonoloop.tasks.strategy import NextImage
from sonoloop.tasks.train import SupervisedTrain


@pytest.fixture
def infer(service: Service, datastore: StoreDatastore) -> Iterator[Callable[..., Any]]:
    """Runs an inference task by name; the masks it wrote are deleted."""
    written: list[str] = []

    def running(name: str, **request: Any) -> Any:
        file, params = LesionInfer(service, datastore, name)(request)
        if file:
            written.append(file)
        return file, params

    yield running
    for file in written:
        Path(file).unlink()


class TestInfer:
    @pytest.mark.parametrize("extension", [".png", ".nrrd", ".nii.gz"])
    def test_a_lesion_comes_back_on_the_grid_of_its_image(
        self, infer: Any, datastore: StoreDatastore, lesion: np.ndarray, extension: str
    ) -> None:
        image = datastore.get_image_uri("img0-" + _hash_of(datastore, "img0"))

        file, params = infer("lesion", image=image, result_extension=extension)

        data = Path(file).read_bytes()
        found = decode_label_map(data, file, shape=lesion.shape)
        np.testing.assert_array_equal(found, lesion)
        assert params["label_names"] == {"lesion": 1}
        assert params["models"] == {
            "segmentation": "segmentation-0",
            "classification": "classification-0",
        }

    def test_a_frame_of_a_cine_is_analysed_and_not_the_first_one(
        self, infer: Any, datastore: StoreDatastore
    ) -> None:
        frames = [image_id for image_id in datastore.list_images() if "_f" in image_id]

        lesions = [
            len(infer("lesion", image=datastore.get_image_uri(image_id))[1]["lesions"])
            for image_id in frames
        ]

        assert lesions == [0, 0, 1]

    def test_the_classifier_makes_no_file(self, infer: Any, studies: Path) -> None:
        file, params = infer("classification", image=str(studies / "img1.png"))

        best = max(params["prediction"], key=lambda entry: entry["score"])
        assert file is None
        assert best == {"idx": 2, "label": "malignant", "score": 0.7}

    @pytest.mark.parametrize("image", ["/nowhere.png", None, 7])
    def test_what_is_no_image_is_told(self, infer: Any, image: object) -> None:
        with pytest.raises(MONAILabelException, match="id of an image or the path") as caught:
            infer("lesion", image=image)

        assert caught.value.error is MONAILabelError.INVALID_INPUT

    def test_a_file_that_is_no_image_is_told(self, infer: Any, tmp_path: Path) -> None:
        (tmp_path / "x.png").write_bytes(b"not an image")

        with pytest.raises(MONAILabelException, match=r"^unknown_format: "):
            infer("lesion", image=str(tmp_path / "x.png"))

    def test_without_models_nothing_is_listed(
        self, open_service: Callable[..., Service], datastore: StoreDatastore
    ) -> None:
        empty = open_service(shipped_models=None)
        task = LesionInfer(empty, StoreDatastore(empty), "lesion")

        assert not task.is_valid()
        assert task.get_path() is None


def _hash_of(datastore: StoreDatastore, stem: str) -> str:
    (image_id,) = (i for i in datastore.list_images() if i.startswith(f"{stem}-"))
    return image_id.removeprefix(f"{stem}-")


def test_tasks_say_of_themselves_what_info_says(
    service: Service, datastore: StoreDatastore, label_some: Callable[[int], list[str]]
) -> None:
    label_some(4)
    service.training.wait(service.start_training("segmentation", {"max_epochs": 1}).job_id)
    service.info.touch()
    told = service.info.get()

    assert {name: LesionInfer(service, datastore, name).info() for name in MODELS} == told["models"]
    assert {name: SupervisedTrain(service, name).info() for name in TRAINERS} == told["trainers"]
    assert {name: NextImage(service, name).info() for name in STRATEGIES} == told["strategies"]
    assert {name: ServiceScoring(service, name).info() for name in METHODS} == told["scoring"]
    assert SupervisedTrain(service, "segmentation").stats() == told["train_stats"]["segmentation"]
    assert SupervisedTrain(service, "classification").stats() == {}


class TestTrain:
    def test_a_training_ends_with_its_stats_and_a_new_model(
        self, service: Service, datastore: StoreDatastore, label_some: Callable[[int], list[str]]
    ) -> None:
        label_some(4)

        stats = SupervisedTrain(service, "segmentation")({"max_epochs": 2}, datastore)

        serving = service.store.models.serving("segmentation")
        assert serving is not None
        assert serving.model_id != "segmentation-0"
        assert (stats["epoch"], stats["total_epochs"], stats["status"]) == (2, 2, "DONE")

    def test_too_few_labels_are_told(self, service: Service, datastore: StoreDatastore) -> None:
        with pytest.raises(MONAILabelException, match="too few labels") as caught:
            SupervisedTrain(service, "segmentation")({}, datastore)

        assert caught.value.error is MONAILabelError.APP_TRAIN_FAILED

    def test_a_training_that_fails_is_told(
        self,
        open_service: Callable[..., Service],
        crashing_worker: Callable[[Path, str], list[str]],
        lesion: np.ndarray,
        png_of: Callable[[np.ndarray], str],
    ) -> None:
        service = open_service(command=crashing_worker)
        datastore = StoreDatastore(service)
        for image_id in datastore.list_images()[-3:]:
            datastore.save_label(image_id, png_of(lesion), "final", {})

        with pytest.raises(MONAILabelException, match="training of segmentation ended as ERROR"):
            SupervisedTrain(service, "segmentation")({}, datastore)


class TestStrategy:
    def test_the_next_image_is_one_without_a_label(
        self, service: Service, datastore: StoreDatastore, label_some: Callable[[int], list[str]]
    ) -> None:
        labelled = label_some(3)

        chosen = [NextImage(service, "random")({"client_id": "a"}, datastore) for _ in range(8)]

        assert all(image and image["id"] not in labelled for image in chosen)

    def test_two_clients_get_two_images(self, service: Service, datastore: StoreDatastore) -> None:
        first, second = (
            NextImage(service, "first")({"client_id": name}, datastore) for name in ("a", "b")
        )

        assert first is not None
        assert second is not None
        assert first["id"] != second["id"]

    def test_when_all_is_labelled_there_is_none(
        self, service: Service, datastore: StoreDatastore, label_some: Callable[[int], list[str]]
    ) -> None:
        label_some(8)

        assert NextImage(service, "first")({}, datastore) is None


def test_a_batch_drafts_every_image_and_scoring_compares(
    service: Service, datastore: StoreDatastore, label_some: Callable[[int], list[str]]
) -> None:
    labelled = label_some(2)

    batch = ServiceBatch(service)({"model": "lesion", "images": "all"}, datastore, print)
    scoring = ServiceScoring(service, "dice")({"method": "dice"}, datastore)

    assert (batch["status"], batch["progress"]["failed"]) == ("DONE", 0)
    assert set(datastore.get_labeled_images("original")) == set(datastore.list_images())
    assert scoring["progress"]["scored"] == len(labelled)


def test_a_batch_of_an_unknown_model_is_told(service: Service, datastore: StoreDatastore) -> None:
    with pytest.raises(MONAILabelException, match="no batch inference with 'nope'"):
        ServiceBatch(service)({"model": "nope"}, datastore, print)


def test_what_the_store_knows_of_an_image_beyond_its_file_is_used(
    infer: Any, datastore: StoreDatastore, service: Service, tmp_path: Path
) -> None:
    picture = service.images.load(service.images.record(datastore.list_images()[-1]))
    volume = tmp_path / "scan.nrrd"
    volume.write_bytes(encode_image(dataclasses.replace(picture, spacing_mm=(0.2, 0.1)), ".nrrd"))
    added = datastore.add_image("scan-1", str(volume), None)  # kept as PNG, which has no spacing

    _, params = infer("lesion", image=datastore.get_image_uri(added))

    assert params["spacing_mm"] == pytest.approx([0.2, 0.1])
