"""MONAI Label's datastore over our store: every method of its interface."""

import inspect
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.exception import (
    ImageNotFoundException,
    LabelNotFoundException,
    MONAILabelException,
)
from PIL import Image

from sonoloop.imaging.masks import decode_label_map
from sonoloop.service.server import Service
from sonoloop.tasks.datastore import StoreDatastore

SaveLabels = Callable[[int], list[str]]


def test_it_implements_the_whole_interface(datastore: StoreDatastore) -> None:
    abstract = set(Datastore.__abstractmethods__)

    assert isinstance(datastore, Datastore)
    assert abstract <= set(vars(StoreDatastore))


@pytest.mark.parametrize("name", sorted(Datastore.__abstractmethods__))
def test_every_method_takes_what_the_interface_says(name: str) -> None:
    wanted = list(inspect.signature(getattr(Datastore, name)).parameters)

    assert list(inspect.signature(getattr(StoreDatastore, name)).parameters) == wanted


def test_the_title_is_kept_across_openings(datastore: StoreDatastore, service: Service) -> None:
    datastore.set_name("screening")
    datastore.set_description("second readings")

    again = StoreDatastore(service)

    assert (again.name(), again.description()) == ("screening", "second readings")
    assert again.json()["name"] == "screening"


def test_the_pool_shrinks_by_what_is_labelled(
    datastore: StoreDatastore, label_some: SaveLabels
) -> None:
    labelled = label_some(2)

    assert datastore.get_labeled_images() == labelled
    assert set(datastore.get_unlabeled_images()) == set(datastore.list_images()) - set(labelled)
    assert datastore.status()["completed"] == 2
    assert datastore.status()["total"] == 8


def test_a_label_is_found_by_image_and_tag(
    datastore: StoreDatastore, label_some: SaveLabels, lesion: np.ndarray
) -> None:
    (image_id,) = label_some(1)

    assert datastore.get_labels_by_image_id(image_id) == {"final": image_id}
    assert datastore.get_label_by_image_id(image_id, DefaultLabelTag.FINAL) == image_id
    assert datastore.get_label_by_image_id(image_id, DefaultLabelTag.ORIGINAL) == ""
    assert datastore.get_label_info(image_id, "final")["pathology"] == "benign"
    data = datastore.get_label(image_id, "final").read()
    np.testing.assert_array_equal(decode_label_map(data, "x.png", shape=lesion.shape), lesion)


def test_the_datalist_pairs_files_that_fit(
    datastore: StoreDatastore, service: Service, png_of: Any, lesion: np.ndarray
) -> None:
    for image_id in datastore.get_unlabeled_images()[:3]:
        datastore.save_label(image_id, png_of(lesion), "final", {"pathology": "benign"})

    pairs = datastore.datalist()

    assert len(pairs) == 3
    for pair in pairs:
        image = service.analysis.read(Path(pair["image"]).read_bytes(), pair["image"])
        assert image.pixels.shape == lesion.shape
        np.testing.assert_array_equal(np.asarray(Image.open(pair["label"])), lesion)


def test_each_frame_of_a_cine_has_a_file_of_its_own(
    datastore: StoreDatastore, service: Service
) -> None:
    frames = [image_id for image_id in datastore.list_images() if "_f" in image_id]

    sums = [
        service.analysis.read(datastore.get_image(image_id).read(), "frame.nrrd").pixels.sum()
        for image_id in frames
    ]

    assert [image_id[-3:] for image_id in frames] == ["_f0", "_f1", "_f2"]
    assert sums[:2] == [0, 0]
    assert sums[2] > 0


def test_a_draft_of_a_model_keeps_where_it_came_from(
    datastore: StoreDatastore, lesion: np.ndarray, png_of: Callable[[np.ndarray], str]
) -> None:
    image_id = datastore.list_images()[0]
    found = {"models": {"segmentation": "seg-7"}, "pathology": "malignant", "lesions": [{}]}

    datastore.save_label(image_id, png_of(lesion), "original", {"model": "lesion", "params": found})

    info = datastore.get_label_info(image_id, "original")
    assert (info["source_model"], info["pathology"], info["reader"]) == (
        "seg-7",
        "malignant",
        "model",
    )
    assert datastore.get_labeled_images() == []
    assert datastore.get_labeled_images("original") == [image_id]
    assert image_id not in datastore.get_unlabeled_images("original")


def test_a_lesion_taken_for_nothing_states_no_pathology(
    datastore: StoreDatastore, lesion: np.ndarray, png_of: Callable[[np.ndarray], str]
) -> None:
    image_id = datastore.list_images()[0]
    found = {"models": {"segmentation": "seg-7"}, "pathology": "normal", "lesions": [{}]}

    datastore.save_label(image_id, png_of(lesion), "original", {"params": found})

    assert "pathology" not in datastore.get_label_info(image_id, "original")


def test_a_label_can_be_amended_and_taken_back(
    datastore: StoreDatastore, label_some: SaveLabels
) -> None:
    (image_id,) = label_some(1)

    datastore.update_label_info(image_id, "final", {"birads": "4a"})
    amended = datastore.get_label_info(image_id, "final")
    datastore.remove_label(image_id, "final")

    assert (amended["birads"], amended["revision"]) == ("4A", 2)
    assert datastore.get_labeled_images() == []


def test_an_image_can_be_added_described_and_removed(
    datastore: StoreDatastore, studies: Path
) -> None:
    added = datastore.add_image("new-1", str(studies / "img0.png"), {"site": "B"})
    datastore.update_image_info(added, {"note": "blurred"})
    info = datastore.get_image_info(added)
    datastore.remove_image(added)

    assert (added, info["site"], info["note"]) == ("new-1", "B", "blurred")
    assert added not in datastore.list_images()


def test_an_image_of_the_studies_is_not_removed(datastore: StoreDatastore) -> None:
    with pytest.raises(MONAILabelException, match="belongs to the studies"):
        datastore.remove_image(datastore.list_images()[0])


def test_new_studies_are_found_when_asked(datastore: StoreDatastore, studies: Path) -> None:
    Image.new("L", (48, 40)).save(studies / "later.png")

    datastore.refresh()

    assert datastore.status()["total"] == 9


def test_the_archive_holds_what_is_labelled(
    datastore: StoreDatastore, label_some: SaveLabels
) -> None:
    label_some(2)

    path = Path(datastore.get_dataset_archive(None))

    with zipfile.ZipFile(path) as archive:
        assert sum(name.startswith("images/") for name in archive.namelist()) == 2
    path.unlink()


def test_the_json_holds_every_image_with_its_labels(
    datastore: StoreDatastore, label_some: SaveLabels
) -> None:
    (image_id,) = label_some(1)

    objects = datastore.json()["objects"]

    assert set(objects) == set(datastore.list_images())
    assert set(objects[image_id]["labels"]) == {"final"}


@pytest.mark.parametrize(
    "asking",
    [
        lambda d: d.get_image_uri("nope"),
        lambda d: d.get_image_info("nope"),
        lambda d: d.get_labels_by_image_id("nope"),
        lambda d: d.get_label_uri("nope", "final"),
        lambda d: d.remove_image("nope"),
        lambda d: d.update_image_info("nope", {}),
        lambda d: d.save_label("nope", "/dev/null", "final", {}),
    ],
)
def test_an_unknown_image_is_named(
    asking: Callable[[StoreDatastore], Any], datastore: StoreDatastore
) -> None:
    with pytest.raises(ImageNotFoundException, match="unknown image 'nope'"):
        asking(datastore)


def test_a_missing_label_is_named(datastore: StoreDatastore) -> None:
    with pytest.raises(LabelNotFoundException, match="has no label 'final'"):
        datastore.get_label_uri(datastore.list_images()[0], "final")


@pytest.mark.parametrize("image_id", ["../../etc/passwd", "/etc/passwd", "a/../b"])
def test_ids_cannot_leave_the_data_folder(datastore: StoreDatastore, image_id: str) -> None:
    with pytest.raises(MONAILabelException, match="not an identifier"):
        datastore.get_image_uri(image_id)


@pytest.mark.parametrize("tag", ["../../x", "draft"])
def test_tags_cannot_leave_the_data_folder(
    datastore: StoreDatastore, lesion: np.ndarray, png_of: Callable[[np.ndarray], str], tag: str
) -> None:
    with pytest.raises(MONAILabelException, match="unknown label tag"):
        datastore.save_label(datastore.list_images()[0], png_of(lesion), tag, {})


def test_a_label_of_another_size_is_refused(
    datastore: StoreDatastore, png_of: Callable[[np.ndarray], str]
) -> None:
    small = np.ones((10, 10), dtype=np.uint8)

    with pytest.raises(MONAILabelException, match=r"10.*40"):
        datastore.save_label(datastore.list_images()[0], png_of(small), "final", {})


def test_labels_of_other_names_are_nowhere(
    datastore: StoreDatastore, label_some: SaveLabels
) -> None:
    label_some(1)

    assert datastore.get_labeled_images(labels=["spleen"]) == []
    assert len(datastore.get_labeled_images(labels=["lesion"])) == 1
    assert len(datastore.get_unlabeled_images(labels=["spleen"])) == 8
