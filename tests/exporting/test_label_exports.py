"""Labels in the forms of others, read back by other programs or by rules written down elsewhere."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sonoloop.errors import InvalidRequestError, NotFoundError, StoreError
from sonoloop.exporting.cases import (
    Case,
    cases_of_reader,
    cases_of_revisions,
    cases_of_truth,
    folds_of,
)
from sonoloop.exporting.coco import run_lengths, write_coco
from sonoloop.exporting.datalist import write_datalist
from sonoloop.exporting.nnunet import write_nnunet
from sonoloop.geometry import LabelMap
from sonoloop.labels import Pathology
from sonoloop.records import LabelledImage
from sonoloop.store import Store

Write = Callable[[Sequence[Case], Path], int]
SHAPE = (40, 60)
BIG, SMALL = (slice(2, 10), slice(3, 15)), (slice(14, 18), slice(20, 26))


def outline(*parts: tuple[slice, slice]) -> LabelMap:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    for part in parts:
        mask[part] = 1
    return mask


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    """Five images of four patients: a lesion, two, none, one of unknown class, one unlabelled."""
    told: list[tuple[str, str, Pathology | None, LabelMap]] = [
        ("1.2.3_f0", "p1", Pathology.BENIGN, outline(BIG)),
        ("1.2.3_f1", "p1", Pathology.MALIGNANT, outline(BIG, SMALL)),
        ("b", "p2", Pathology.NORMAL, outline()),
        ("c", "p3", None, outline(SMALL)),
    ]
    items = []
    for number, (name, patient, pathology, mask) in enumerate(told):
        picture, label = tmp_path / "in" / f"{name}.png", tmp_path / "in" / f"{name}-mask.png"
        picture.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, SHAPE, dtype=np.uint8)
        Image.fromarray(pixels).save(picture)
        Image.fromarray(mask).save(label)
        items.append(
            LabelledImage(
                image_id=name,
                image_path=picture,
                mask_paths=(label,),
                has_mask=True,
                pathology=pathology,
                birads="4A" if pathology is Pathology.MALIGNANT else None,
                patient=patient,
            )
        )
    items.append(LabelledImage(image_id="d", image_path=items[0].image_path, patient="p4"))
    return cases_of_truth(items)


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_nnunet_finds_what_its_documentation_asks_for(cases: list[Case], tmp_path: Path) -> None:
    target = tmp_path / "nnUNet_raw" / "Dataset101_Breast"
    target.parent.mkdir()

    assert write_nnunet(cases, target, folds=3) == 4

    described = json.loads((target / "dataset.json").read_text())
    assert described == {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 4,
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    pictures = {path.name for path in (target / "imagesTr").iterdir()}
    labels = {path.name for path in (target / "labelsTr").iterdir()}
    # as nnunetv2.utilities.dataset_name_id_conversion and utils.get_identifiers_... cut names
    ending = described["file_ending"]
    names = {name[: -len(ending) - 5] for name in pictures}
    assert pictures == {f"{name}_0000{ending}" for name in names}
    assert labels == {f"{name}{ending}" for name in names}
    for name in names:
        picture = pixels_of(target / "imagesTr" / f"{name}_0000.png")
        label = pixels_of(target / "labelsTr" / f"{name}.png")
        assert picture.ndim == 2
        assert picture.dtype == label.dtype == np.uint8
        assert picture.shape == label.shape
        assert set(np.unique(label)) <= {0, 1}
    assert (pixels_of(target / "labelsTr" / "1.2.3_f1.png") == outline(BIG, SMALL)).all()


def test_splits_of_nnunet_keep_patients_together(cases: list[Case], tmp_path: Path) -> None:
    write_nnunet(cases, tmp_path / "out", folds=3)

    splits = json.loads((tmp_path / "out" / "splits_final.json").read_text())
    names = {"1.2.3_f0", "1.2.3_f1", "b", "c"}
    assert sorted(name for split in splits for name in split["val"]) == sorted(names)
    assert len(splits) == 3
    for split in splits:
        assert set(split["train"]) | set(split["val"]) == names
        assert not set(split["train"]) & set(split["val"])
        assert ("1.2.3_f0" in split["val"]) == ("1.2.3_f1" in split["val"])


def test_one_family_makes_no_split(cases: list[Case], tmp_path: Path) -> None:
    write_nnunet(cases[:2], tmp_path / "out")

    assert json.loads((tmp_path / "out" / "splits_final.json").read_text()) == []


def decoded(segmentation: dict[str, Any]) -> np.ndarray:
    """The mask of a run-length encoding, as pycocotools' frUncompressedRLE and decode make it."""
    height, width = segmentation["size"]
    flat = np.zeros(height * width, dtype=np.uint8)
    position, value = 0, 0
    for count in segmentation["counts"]:
        flat[position : position + count] = value
        position += count
        value = 1 - value
    assert position == height * width
    return flat.reshape((height, width), order="F")


def test_coco_tells_each_lesion_with_mask_box_and_area(cases: list[Case], tmp_path: Path) -> None:
    assert write_coco(cases, tmp_path / "out") == 4

    content = json.loads((tmp_path / "out" / "instances.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    names = {category["id"]: category["name"] for category in content["categories"]}
    told = [
        (
            images[entry["image_id"]]["file_name"],
            names[entry["category_id"]],
            entry["bbox"],
            entry["area"],
        )
        for entry in content["annotations"]
    ]
    assert told == [
        ("images/1.2.3_f0.png", "benign", [3, 2, 12, 8], 96),
        ("images/1.2.3_f1.png", "malignant", [3, 2, 12, 8], 96),
        ("images/1.2.3_f1.png", "malignant", [20, 14, 6, 4], 24),
        ("images/c.png", "lesion", [20, 14, 6, 4], 24),
    ]
    assert len({entry["id"] for entry in content["annotations"]}) == 4
    assert (decoded(content["annotations"][2]["segmentation"]) == outline(SMALL)).all()
    normal = next(image for image in content["images"] if image["pathology"] == "normal")
    assert (normal["width"], normal["height"]) == (60, 40)
    assert pixels_of(tmp_path / "out" / normal["file_name"]).shape == SHAPE


@given(st.lists(st.booleans(), min_size=12, max_size=12))
def test_run_lengths_hold_every_mask(bits: list[bool]) -> None:
    mask = np.array(bits).reshape(3, 4)

    encoded = run_lengths(mask)

    assert (decoded(encoded) == mask).all()
    assert all(count > 0 for count in encoded["counts"][1:])


def test_monai_reads_the_data_list(cases: list[Case], tmp_path: Path) -> None:
    from monai.data import load_decathlon_datalist

    assert write_datalist(cases, tmp_path / "out", folds=2) == 4

    items = load_decathlon_datalist(
        tmp_path / "out" / "datalist.json", is_segmentation=True, data_list_key="training"
    )
    assert [item["image_id"] for item in items] == ["1.2.3_f0", "1.2.3_f1", "b", "c"]
    assert (pixels_of(Path(items[0]["label"])) == outline(BIG)).all()
    assert (pixels_of(Path(items[0]["image"])) == pixels_of(cases[0].item.image_path)).all()
    assert {item["fold"] for item in items} == {0, 1}
    assert items[0]["fold"] == items[1]["fold"]


@pytest.mark.parametrize("write", [write_nnunet, write_coco, write_datalist])
def test_no_patient_is_named(cases: list[Case], tmp_path: Path, write: Write) -> None:
    write(cases, tmp_path / "out")

    for file in (tmp_path / "out").rglob("*.json"):
        assert "p1" not in file.read_text()


@pytest.mark.parametrize("write", [write_nnunet, write_coco, write_datalist])
def test_the_same_labels_give_the_same_bytes(
    cases: list[Case], tmp_path: Path, write: Write
) -> None:
    for name in ("one", "two"):
        write(cases, tmp_path / name)

    one, two = (
        {
            str(f.relative_to(tmp_path / name)): f.read_bytes()
            for f in (tmp_path / name).rglob("*.*")
        }
        for name in ("one", "two")
    )
    assert one == two


@pytest.mark.parametrize("write", [write_nnunet, write_coco, write_datalist])
def test_a_picture_that_cannot_be_read_is_left_out_and_nothing_is_told_as_such(
    cases: list[Case], tmp_path: Path, write: Write
) -> None:
    cases[0].item.image_path.write_bytes(b"no picture")

    assert write(cases, tmp_path / "three") == 3
    with pytest.raises(NotFoundError, match="no label to export"):
        write(cases[:1], tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert list(tmp_path.glob(".none*")) == []


@pytest.mark.parametrize("write", [write_nnunet, write_coco, write_datalist])
def test_a_folder_that_is_there_is_not_touched(
    cases: list[Case], tmp_path: Path, write: Write
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()

    with pytest.raises(StoreError, match="is there already"):
        write(cases, tmp_path / "out")


def test_folds_are_equal_and_follow_from_the_labels_alone() -> None:
    cases = cases_of_truth(
        [
            LabelledImage(image_id=f"i{n}", image_path=Path(f"{n}"), patient=f"p{n // 2}")
            for n in range(40)
        ]
    )

    folds = folds_of(cases, 5)

    assert [folds.count(fold) for fold in range(5)] == [8] * 5
    assert all(folds[n] == folds[n + 1] for n in range(0, 40, 2))
    shuffled = folds_of(cases[::-1], 5)
    assert shuffled[::-1] == folds
    with pytest.raises(InvalidRequestError, match="into 0 folds"):
        folds_of(cases, 0)


def test_one_readers_labels_are_his_newest(full: Store, studies: Path) -> None:
    from sonoloop.exporting.pictures import KeptPictures

    path_of = KeptPictures(full.paths, studies).path_of

    cases = cases_of_reader(full, "ann", path_of)

    assert [case.name for case in cases] == ["a1", "a2"]
    assert cases[0].about["revision"] == 2
    with pytest.raises(NotFoundError, match="reader 'eve' has labelled no image"):
        cases_of_reader(full, "eve", path_of)


def test_every_revision_is_a_case_of_its_own(full: Store, studies: Path) -> None:
    from sonoloop.exporting.pictures import KeptPictures

    (studies / "sub" / "a2.png").unlink()

    cases = cases_of_revisions(full, KeptPictures(full.paths, studies).path_of)

    assert [(case.name, case.about["reader"], case.about["state"]) for case in cases] == [
        ("a1_r1", "ann", "submitted"),
        ("a1_r2", "ann", "submitted"),
        ("a1_r3", "bob", "accepted"),
        ("c1_r1", "bob", "submitted"),
    ]
    assert [case.about["in_force"] for case in cases] == [False, True, True, True]
