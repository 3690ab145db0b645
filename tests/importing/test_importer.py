"""Importing: valid DICOM, nothing twice, nothing lost, everything left out is told."""

import fcntl
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonoloop.datasets.layouts import read_dataset
from sonoloop.datasets.reading import DatasetReading
from sonoloop.datasets.sidecar import read_sidecar
from sonoloop.errors import ConflictError, DatasetError
from sonoloop.imaging.read import read_image
from sonoloop.importing import importer
from sonoloop.importing.importer import import_dataset
from sonoloop.labels import Pathology

Picture = Callable[..., Path]


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Where imports go."""
    return tmp_path / "studies"


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


class TestBusi:
    def test_pixels_and_labels_survive(self, busi: DatasetReading, studies: Path) -> None:
        summary = import_dataset(busi, studies, reader="authors")

        imported = read_dataset(studies)
        assert (summary.imported, summary.already_there, summary.skipped) == (4, 0, ())
        for before, after in zip(busi.images, imported.images, strict=True):
            source = np.asarray(Image.open(before.image_path))
            np.testing.assert_array_equal(read_image(after.image_path).pixels, source)
            for known in ("pathology", "patient", "group", "label_conflict", "has_mask"):
                assert getattr(after, known) == getattr(before, known)

    def test_several_masks_become_one_of_zeros_and_ones(
        self, busi: DatasetReading, studies: Path
    ) -> None:
        import_dataset(busi, studies, reader="authors")

        image = read_dataset(studies).images[1]
        merged = np.asarray(Image.open(image.mask_paths[0]))
        expected = np.zeros((40, 60), dtype=np.uint8)
        expected[5:10, 10:20] = expected[20:30, 10:20] = 1
        np.testing.assert_array_equal(merged, expected)

    def test_a_patient_has_one_study_and_each_image_a_series(
        self, busi: DatasetReading, studies: Path
    ) -> None:
        import_dataset(busi, studies, reader="authors")

        identities = {image.patient: [] for image in busi.images}  # type: dict[str, list[tuple[str | None, str | None]]]
        for image in read_dataset(studies).images:
            identity = read_image(image.image_path).identity
            assert identity.patient_id == image.patient
            assert identity.sop_instance_uid == image.image_id
            identities[image.patient].append(
                (identity.study_instance_uid, identity.series_instance_uid)
            )
        (study, first), (same_study, second) = identities["busi-group-9"]
        assert (study == same_study, first == second) == (True, False)
        assert len({pairs[0][0] for pairs in identities.values()}) == 3

    def test_the_annotations_name_their_reader(self, busi: DatasetReading, studies: Path) -> None:
        import_dataset(busi, studies, reader="authors")

        rows = read_sidecar(studies / "annotations.csv")
        assert {row.reader for row in rows} == {"authors"}
        assert [bool(row.mask) for row in rows] == [False, True, True, True]


class TestRepeated:
    def test_a_second_import_changes_no_byte(self, busi: DatasetReading, studies: Path) -> None:
        import_dataset(busi, studies, reader="authors")
        before = files(studies)

        summary = import_dataset(busi, studies, reader="authors")

        assert (summary.imported, summary.already_there, summary.relabelled) == (0, 4, 0)
        assert files(studies) == before

    def test_elsewhere_it_gives_the_same_bytes(
        self, busi: DatasetReading, studies: Path, tmp_path: Path
    ) -> None:
        for folder in (studies, tmp_path / "elsewhere"):
            import_dataset(busi, folder, reader="authors")

        assert files(studies) == files(tmp_path / "elsewhere")

    def test_an_interrupted_import_is_completed(
        self, busi: DatasetReading, studies: Path, tmp_path: Path
    ) -> None:
        def stop(done: int, total: int) -> None:
            if done == 2:
                raise KeyboardInterrupt

        import_dataset(busi, tmp_path / "whole", reader="authors")
        with pytest.raises(KeyboardInterrupt):
            import_dataset(busi, studies, reader="authors", progress=stop)

        summary = import_dataset(busi, studies, reader="authors")

        assert (summary.imported, summary.already_there) == (2, 2)
        assert files(studies) == files(tmp_path / "whole")

    def test_what_a_kill_left_half_is_made_whole(self, busi: DatasetReading, studies: Path) -> None:
        import_dataset(busi, studies, reader="authors")
        whole = files(studies)
        victim = next(iter(studies.glob("busi/*/*.dcm")))
        victim.write_bytes(victim.read_bytes()[:100])
        (studies / "annotations.csv").unlink()
        leftover = victim.with_name(f".{victim.name}.123.part")
        leftover.touch()

        import_dataset(busi, studies, reader="authors")

        assert files(studies) == whole
        assert not leftover.exists()

    def test_a_corrected_mask_replaces_the_old_one(
        self, busi: DatasetReading, studies: Path, mask: Picture
    ) -> None:
        import_dataset(busi, studies, reader="authors")
        mask("benign/benign (2)_mask.png", rows=(0, 40))

        summary = import_dataset(busi, studies, reader="authors")

        assert (summary.imported, summary.already_there, summary.relabelled) == (0, 3, 1)
        corrected = np.asarray(Image.open(read_dataset(studies).images[2].mask_paths[0]))
        assert corrected.sum() == 400

    def test_another_picture_of_the_same_name_is_not_taken_for_it(
        self, busi: DatasetReading, studies: Path, picture: Picture
    ) -> None:
        import_dataset(busi, studies, reader="authors")
        picture("benign/benign (2).png", seed=77)

        summary = import_dataset(busi, studies, reader="authors")

        assert [item.image for item in summary.skipped] == ["benign/benign (2).png"]
        assert "give this data set a name of its own" in summary.skipped[0].reason

    def test_a_second_data_set_joins_the_first(self, busi: DatasetReading, studies: Path) -> None:
        import_dataset(busi, studies, reader="authors")
        import_dataset(replace(busi, name="other"), studies, reader="others")

        rows = read_sidecar(studies / "annotations.csv")
        assert len({row.image_id for row in rows}) == 8
        assert {row.reader for row in rows} == {"authors", "others"}


class TestLeftOut:
    def test_bad_images_and_masks_are_told_and_the_rest_is_imported(
        self, tmp_path: Path, studies: Path, picture: Picture, mask: Picture
    ) -> None:
        for name in ("good", "small", "torn", "empty", "normal"):
            picture(f"{name}.png")
        (tmp_path / "data" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        mask("full_m.png", rows=(2, 9))
        mask("black_m.png")
        mask("small_m.png", rows=(2, 9), shape=(20, 30))
        (tmp_path / "data" / "torn_m.png").write_bytes(b"no picture")
        (tmp_path / "data" / "manifest.csv").write_text(
            "image,mask,pathology\n"
            "good.png,full_m.png,benign\n"
            "small.png,small_m.png,benign\n"
            "torn.png,torn_m.png,benign\n"
            "empty.png,black_m.png,benign\n"
            "normal.png,full_m.png,normal\n"
            "broken.png,,benign\n"
            "gone.png,,benign\n"
        )

        summary = import_dataset(read_dataset(tmp_path / "data"), studies, reader="r")

        reasons = {Path(item.image).name: item.reason for item in summary.skipped}
        assert summary.imported == 1
        assert len(list(studies.rglob("*.dcm"))) == 1
        assert "30x20" in reasons["small.png"]
        assert "unreadable" in reasons["torn.png"]
        assert "its mask is empty" in reasons["empty.png"]
        assert "called normal" in reasons["normal.png"]
        assert reasons["gone.png"] == "image file is missing"
        assert reasons.keys() == {
            "small.png", "torn.png", "empty.png", "normal.png", "broken.png", "gone.png",
        }  # fmt: skip


class TestFolder:
    def test_images_without_manifest_are_unlabelled_patients_of_their_own(
        self, tmp_path: Path, studies: Path, picture: Picture
    ) -> None:
        picture("a/1.jpg", seed=1)
        picture("b/1.png", seed=2)

        import_dataset(read_dataset(tmp_path / "data"), studies, reader="r")

        images = [read_image(path) for path in sorted(studies.rglob("*.dcm"))]
        assert len({image.identity.patient_id for image in images}) == 2
        assert not any(image.has_mask for image in read_dataset(studies).images)
        assert sorted("lossy" in image.flags for image in images) == [False, True]

    def test_calibrated_dicom_stays_calibrated(self, studies: Path, sample_studies: Path) -> None:
        source = read_dataset(sample_studies / "phantom-05")

        import_dataset(source, studies, reader="r")

        for before, after in zip(source.images, read_dataset(studies).images, strict=True):
            old, new = read_image(before.image_path), read_image(after.image_path)
            assert new.spacing_mm == pytest.approx(old.spacing_mm)
            assert new.region == old.region
            np.testing.assert_array_equal(new.pixels, old.pixels)

    def test_odd_names_become_safe_paths_and_valid_text(
        self, tmp_path: Path, studies: Path, picture: Picture
    ) -> None:
        picture("Bild (1), links.png")
        (tmp_path / "data" / "manifest.csv").write_text(
            f'image,patient\n"Bild (1), links.png",Müller\\{"x" * 80}/../..\n', encoding="utf-8"
        )

        import_dataset(read_dataset(tmp_path / "data"), studies, reader="r")

        (path,) = studies.rglob("*.dcm")
        patient = read_image(path).identity.patient_id
        assert path.relative_to(studies).as_posix().isascii()
        assert patient is not None
        assert len(patient) <= 64
        assert patient.startswith("Müller-xxx")


class TestRefused:
    def test_a_second_import_at_the_same_time(self, busi: DatasetReading, studies: Path) -> None:
        studies.mkdir()

        with (studies / ".import.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(ConflictError, match="another import is writing"):
                import_dataset(busi, studies, reader="r")

    def test_a_place_that_is_no_folder(self, busi: DatasetReading, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(DatasetError, match="cannot write study folder"):
            import_dataset(busi, tmp_path / "file", reader="r")

    @pytest.mark.parametrize("name", ["../up", "masks", ""])
    def test_a_name_that_cannot_be_a_folder(
        self, busi: DatasetReading, studies: Path, name: str
    ) -> None:
        with pytest.raises(DatasetError, match="cannot be called"):
            import_dataset(replace(busi, name=name), studies, reader="r")

    def test_a_study_folder_around_the_data_set(self, busi: DatasetReading, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="outside the data set"):
            import_dataset(busi, tmp_path, reader="r")


def test_progress_is_told_for_every_image(busi: DatasetReading, studies: Path) -> None:
    told: list[tuple[int, int]] = []

    import_dataset(busi, studies, reader="r", progress=lambda *step: told.append(step))

    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_annotations_are_saved_along_the_way(
    busi: DatasetReading, studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "_SAVE_EVERY", 2)
    lines: list[int] = []

    def count(done: int, total: int) -> None:
        table = studies / "annotations.csv"
        lines.append(len(table.read_text().splitlines()) if table.exists() else 0)

    import_dataset(busi, studies, reader="r", progress=count)

    assert lines == [0, 3, 3, 5]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is absent")
def test_imported_images_are_valid_dicom(busi: DatasetReading, studies: Path) -> None:
    import_dataset(busi, studies, reader="r")

    assert dicom_errors(studies) == []


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "split_known"), [("BUSBRA", True), ("Dataset_BUSI_with_GT", False)]
)
def test_published_images_are_imported(
    shared_data: Path, studies: Path, folder: str, split_known: bool
) -> None:
    reading = read_dataset(shared_data / folder)
    reading = replace(reading, images=reading.images[:: len(reading.images) // 20])

    summary = import_dataset(reading, studies, reader="authors")

    imported = read_dataset(studies).images
    assert (summary.imported, summary.skipped) == (len(reading.images), ())
    for before, after in zip(reading.images, imported, strict=True):
        assert (after.pathology, after.split) == (before.pathology, before.split)
        assert (after.patient, after.birads) == (before.patient, before.birads)
        if after.pathology is not Pathology.NORMAL:
            masks = [np.asarray(Image.open(path)) > 0 for path in before.mask_paths]
            merged = np.asarray(Image.open(after.mask_paths[0]))
            np.testing.assert_array_equal(merged, np.any(masks, axis=0))
    assert all(bool(image.split) is split_known for image in imported)
    if shutil.which("dciodvfy"):
        assert dicom_errors(studies) == []


def dicom_errors(studies: Path) -> list[str]:
    return [
        f"{path.name}: {line}"
        for path in sorted(studies.rglob("*.dcm"))
        for line in subprocess.run(
            ["dciodvfy", str(path)], capture_output=True, text=True, check=False
        ).stderr.splitlines()
        if line.startswith("Error")
    ]
