import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonoloop.labels import Pathology
from sonoloop.pacs.folder import FolderSource
from sonoloop.service.truth import training_truth
from sonoloop.store import NewAnnotation, Store

WriteDicom = Callable[..., str]

HEADER = "image_id,mask,pathology,birads,reader,patient,group,split,device,label_conflict\n"


@pytest.fixture
def source(studies: Path, workspace: Path, write_dicom: WriteDicom) -> FolderSource:
    """A folder with the images 1.1 and 1.2 and a mask for the first."""
    for uid in ("1.1", "1.2"):
        write_dicom(f"{uid}.dcm", uid)
    write_mask(studies, "masks/1.1.png", 4)
    return FolderSource(studies, workspace)


def write_mask(folder: Path, name: str, row: int, shape: tuple[int, int] = (40, 48)) -> None:
    mask = np.zeros(shape, np.uint8)
    mask[row] = 1
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(folder / name)


def write_table(folder: Path, *rows: str) -> None:
    path = folder / "annotations.csv"
    version = path.stat().st_mtime_ns + 1 if path.exists() else 1
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    os.utime(path, ns=(version, version))


def codes(store: Store) -> dict[str, str]:
    return {refusal.locator: refusal.code for refusal in store.images.refusals()}


class TestRegistering:
    def test_a_row_becomes_an_annotation_of_its_reader(
        self, source: FolderSource, store: Store, studies: Path
    ) -> None:
        write_table(studies, "1.1,masks/1.1.png,benign,4a,busbra,p7,g1,3,GE,1")

        summary = source.scan(store)

        annotation = store.annotations.latest("1.1")
        assert (summary.added, summary.annotations, summary.refused) == (2, 1, ())
        assert annotation
        assert (annotation.reader, annotation.birads) == ("busbra", "4A")
        assert store.annotations.mask(annotation)[4].all()
        assert store.annotations.mask(annotation).sum() == 48
        (labelled,) = training_truth(store, source.path_of)
        assert labelled.pathology is Pathology.BENIGN
        assert (labelled.group, labelled.split, labelled.device) == ("g1", "3", "GE")
        assert labelled.label_conflict
        assert store.images.unlabelled_ids() == ("1.2",)

    def test_the_patient_of_an_image_without_one_is_taken_from_the_row(
        self, source: FolderSource, store: Store, studies: Path, write_dicom: WriteDicom
    ) -> None:
        write_dicom("1.3.dcm", "1.3", patient_id="")
        write_table(studies, "1.3,,,,,p7,,,,", "1.1,,,,,p7,,,,")

        source.scan(store)

        assert store.images.get("1.3").patient_id == "p7"
        assert store.images.get("1.1").patient_id == "p1"
        assert store.annotations.count() == 0

    def test_a_normal_image_needs_no_mask(
        self, source: FolderSource, store: Store, studies: Path
    ) -> None:
        write_table(studies, "1.1,,normal,,busi,,,,,")

        source.scan(store)

        (labelled,) = training_truth(store, source.path_of)
        assert (labelled.has_mask, labelled.mask_paths) == (True, ())

    def test_a_table_in_a_subfolder_speaks_of_its_own_files(
        self, source: FolderSource, store: Store, studies: Path
    ) -> None:
        write_mask(studies, "sub/masks/m.png", 9)
        write_table(studies / "sub", "1.2,masks/m.png,,,r,,,,,")

        source.scan(store)

        annotation = store.annotations.latest("1.2")
        assert annotation
        assert store.annotations.mask(annotation)[9].all()

    def test_ordinary_images_are_named_by_their_file(
        self,
        source: FolderSource,
        store: Store,
        studies: Path,
        write_picture: Callable[..., None],
    ) -> None:
        write_picture("pictures/a.png")
        (studies / "pictures/annotations.csv").write_text(
            "image_id,image,pathology\n,a.png,benign\n"
        )

        summary = source.scan(store)

        assert (summary.annotations, summary.refused) == (1, ())


class TestOnce:
    def test_a_row_is_registered_once_also_by_another_process(
        self, source: FolderSource, store: Store, studies: Path, workspace: Path
    ) -> None:
        write_table(studies, "1.1,masks/1.1.png,benign,,busbra,,,,,")
        source.scan(store)
        write_table(studies, "1.2,,benign,,busbra,,,,,", "1.1,masks/1.1.png,benign,,busbra,,,,,")

        source.scan(store)
        FolderSource(studies, workspace).scan(store)

        assert store.annotations.count() == 2

    def test_a_changed_row_or_mask_is_a_new_revision(
        self, source: FolderSource, store: Store, studies: Path, workspace: Path
    ) -> None:
        write_table(studies, "1.1,masks/1.1.png,benign,,busbra,,,,,")
        source.scan(store)
        write_table(studies, "1.1,masks/1.1.png,malignant,,busbra,,,,,")
        source.scan(store)
        write_mask(studies, "masks/1.1.png", 6)

        FolderSource(studies, workspace).scan(store)

        history = store.annotations.history("1.1")
        assert [a.pathology for a in history] == ["benign", "malignant", "malignant"]
        assert store.annotations.mask(history[-1])[6].all()

    def test_what_a_reader_withdrew_does_not_come_back(
        self, source: FolderSource, store: Store, studies: Path, workspace: Path
    ) -> None:
        write_table(studies, "1.1,,benign,,busbra,,,,,")
        source.scan(store)
        store.annotations.withdraw("1.1", "final")

        FolderSource(studies, workspace).scan(store)

        assert store.annotations.latest("1.1") is None

    def test_a_reader_here_is_not_overridden(
        self, source: FolderSource, store: Store, studies: Path
    ) -> None:
        write_table(studies, "1.1,,benign,,busbra,,,,,")
        source.scan(store)
        mine = store.annotations.save(NewAnnotation(image_id="1.1", reader="dr-a"), None)
        write_table(studies, "1.1,,malignant,,busbra,,,,,")

        summary = source.scan(store)

        assert store.annotations.latest("1.1") == mine
        assert [refusal.code for refusal in summary.refused] == ["sidecar_superseded"]

    def test_a_row_waits_for_its_image(
        self, source: FolderSource, store: Store, studies: Path, write_dicom: WriteDicom
    ) -> None:
        write_table(studies, "1.9,,benign,,busbra,,,,,")
        source.scan(store)
        assert codes(store) == {"annotations.csv:2": "sidecar_image"}
        assert source.scan(store).refused == ()
        assert codes(store) == {"annotations.csv:2": "sidecar_image"}
        write_dicom("1.9.dcm", "1.9")

        assert source.scan(store).annotations == 1
        assert codes(store) == {}


class TestRefusing:
    @pytest.mark.parametrize(
        ("row", "code"),
        [
            ("1.1,masks/none.png,benign,,r,,,,,", "sidecar_mask"),
            ("1.1,../outside.png,benign,,r,,,,,", "sidecar_mask"),
            ("1.1,/etc/passwd,benign,,r,,,,,", "sidecar_mask"),
            ("1.1,annotations.csv,benign,,r,,,,,", "sidecar_mask"),
            ("1.1,broken.png,benign,,r,,,,,", "sidecar_mask"),
            ("1.1,large.png,benign,,r,,,,,", "sidecar_mask"),
            ("1.1,,maybe,,r,,,,,", "sidecar_value"),
            ("1.1,,benign,7,r,,,,,", "sidecar_value"),
            ("9.9,,benign,,r,,,,,", "sidecar_image"),
            ("../../1.1,,benign,,r,,,,,", "sidecar_image"),
            (",,benign,,r,,,,,", "sidecar_image"),
        ],
    )
    def test_a_broken_row_is_told_and_the_others_are_used(
        self, source: FolderSource, store: Store, studies: Path, row: str, code: str
    ) -> None:
        (studies / "masks/broken.png").write_bytes(b"\x89PNG broken")
        write_mask(studies.parent, "outside.png", 1)
        write_mask(studies, "masks/large.png", 1, (41, 48))
        row = row.replace("broken.png", "masks/broken.png").replace("large.png", "masks/large.png")
        write_table(studies, row, "1.2,,malignant,5,r,,,,,")

        summary = source.scan(store)

        assert [(r.locator, r.code) for r in summary.refused] == [("annotations.csv:2", code)]
        assert store.images.labelled_ids() == ("1.2",)

    @pytest.mark.parametrize("content", [b"\xff\xfe\0", b"", b"picture,mask\n", b"image_id\n\0\n"])
    def test_a_table_that_is_none_is_told_and_images_are_registered(
        self, source: FolderSource, store: Store, studies: Path, content: bytes
    ) -> None:
        (studies / "annotations.csv").write_bytes(content)

        summary = source.scan(store)

        assert summary.added == 2
        assert {r.code for r in summary.refused} <= {"sidecar", "sidecar_image"}
        assert len(summary.refused) == 1

    def test_reasons_are_forgotten_with_their_table(
        self, source: FolderSource, store: Store, studies: Path
    ) -> None:
        write_table(studies, "9.9,,benign,,r,,,,,")
        source.scan(store)
        (studies / "annotations.csv").unlink()

        source.scan(store)

        assert codes(store) == {}
