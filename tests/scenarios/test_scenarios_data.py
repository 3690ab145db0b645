import dataclasses
import shutil
from pathlib import Path

import pytest

from sonoloop.errors import DatasetError
from sonoloop.labels import Pathology
from sonoloop.scenarios.data import (
    Part,
    Shared,
    fingerprint,
    images_of,
    open_set,
    require_disjoint,
    shared,
)


def test_the_last_split_is_tested_and_the_others_trained_on(folders: dict[str, Path]) -> None:
    one = open_set("north", folders["north"])

    assert (one.train, one.test) == (("1",), ("2",))


def test_bus_bra_is_tested_on_fold_four_even_if_five_is_there(tmp_path: Path) -> None:
    for name in ("Images/bus", "Masks/mask"):
        for number in range(1, 6):
            path = tmp_path / f"{name}_000{number}-l.png"
            path.parent.mkdir(exist_ok=True)
            path.touch()
    ids = [f"bus_000{number}-l" for number in range(1, 6)]
    rows = [f"{name},{k},benign,2,X" for k, name in enumerate(ids)]
    (tmp_path / "bus_data.csv").write_text("\n".join(["ID,Case,Pathology,BIRADS,Device", *rows]))
    folds = [f"{name},{k + 1}" for k, name in enumerate(ids)]
    (tmp_path / "5-fold-cv.csv").write_text("\n".join(["ID,kFold", *folds]))

    one = open_set("busbra", tmp_path)

    assert (one.train, one.test) == (("1", "2", "3"), ("4",))


@pytest.mark.parametrize("splits", [(["1"], ["3"]), (["1", "2"], ["2"]), (["1"], []), ([], ["2"])])
def test_impossible_splits_are_refused(
    folders: dict[str, Path], splits: tuple[list[str], list[str]]
) -> None:
    with pytest.raises(DatasetError, match=r"north cannot be trained on splits .*it has 1, 2"):
        open_set("north", folders["north"], splits)


def test_images_with_contradicting_near_duplicates_are_left_out(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["north"], tmp_path / "set")
    table = tmp_path / "set" / "manifest.csv"
    lines = table.read_text().splitlines()
    marked = [lines[0] + ",label_conflict", lines[1] + ",1", *(row + "," for row in lines[2:])]
    table.write_text("\n".join(marked))

    one = open_set("north", tmp_path / "set")

    assert (one.conflicts, len(one.images)) == (1, 9)


def test_a_part_can_be_some_splits_and_lesions_alone(folders: dict[str, Path]) -> None:
    sets = {"north": open_set("north", folders["north"])}

    everything = images_of(sets, [Part(data="north")])
    lesions = images_of(sets, [Part(data="north", splits=("1",), lesions_only=True)])

    assert len(everything) == 10
    assert {image.split for image in lesions} == {"1"}
    assert Pathology.NORMAL in {image.pathology for image in everything}
    assert Pathology.NORMAL not in {image.pathology for image in lesions}


def test_splits_of_one_set_share_nothing(folders: dict[str, Path]) -> None:
    sets = {"north": open_set("north", folders["north"])}
    train, test = (images_of(sets, [Part(data="north", splits=(s,))]) for s in ("1", "2"))

    assert require_disjoint(train, test) == Shared(patients=0, groups=0, files=0)


def test_a_shared_patient_group_or_file_is_refused(folders: dict[str, Path]) -> None:
    first, second, third = open_set("north", folders["north"]).images[:3]
    one = dataclasses.replace(first, group="g")
    of_patient = dataclasses.replace(second, patient=first.patient)
    of_group = dataclasses.replace(third, group="g")
    same_file = dataclasses.replace(third, image_path=first.image_path)

    assert shared([one], [of_patient, of_group]) == Shared(patients=1, groups=1, files=0)
    with pytest.raises(DatasetError, match="0 patients, 0 groups of near-duplicates and 1 files"):
        require_disjoint([one], [same_file])


def test_images_without_patient_or_group_share_none(folders: dict[str, Path]) -> None:
    nameless = [
        dataclasses.replace(image, patient="") for image in open_set("n", folders["north"]).images
    ]

    assert shared(nameless[:5], nameless[5:]) == Shared(patients=0, groups=0, files=0)


def test_a_fingerprint_follows_labels_and_files_but_not_their_place(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["north"], tmp_path / "moved")
    images = open_set("north", folders["north"]).images
    moved = open_set("north", tmp_path / "moved").images

    assert fingerprint(moved) == fingerprint(reversed(images))
    relabelled = dataclasses.replace(images[0], pathology=Pathology.NORMAL)
    assert fingerprint([relabelled, *images[1:]]) != fingerprint(images)
    moved[0].image_path.write_bytes(b"other")
    assert fingerprint(moved) != fingerprint(images)
