import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sonoloop.errors import ImageReadError, NotFoundError, PacsError
from sonoloop.imaging.image import ImageHeader
from sonoloop.pacs.folder import FolderSource
from sonoloop.pacs.port import ScanSummary
from sonoloop.store import NewAnnotation, Store

WriteDicom = Callable[..., str]
WritePicture = Callable[..., None]


@pytest.fixture
def source(studies: Path, workspace: Path) -> FolderSource:
    return FolderSource(studies, workspace)


def ids(store: Store) -> list[str]:
    return [image.image_id for image in store.images.list()]


def counts(summary: ScanSummary) -> tuple[int, int, int]:
    return (summary.added, summary.updated, summary.removed)


def codes(summary: ScanSummary) -> dict[str, str]:
    return {refusal.locator: refusal.code for refusal in summary.refused}


class TestIdentity:
    def test_a_single_frame_has_its_uid_and_what_its_header_says(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a/b.dcm", "1.2.3")

        summary = source.scan(store)

        image = store.images.get("1.2.3")
        assert counts(summary) == (1, 0, 0)
        assert (image.locator, image.frame, image.frame_count) == ("a/b.dcm", 0, 1)
        assert (image.rows, image.columns, image.spacing_mm) == (40, 48, (0.1, 0.2))
        assert (image.patient_id, image.study_date, image.modality) == ("p1", "20260102", "US")
        assert (image.series_instance_uid, image.study_instance_uid) == ("1.2.3.1", "1.2.3.2")
        assert source.path_of(image) == studies / "a/b.dcm"

    def test_every_frame_of_a_cine_is_an_image_counted_from_zero(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom
    ) -> None:
        write_dicom("cine.dcm", "1.2.3", frames=3)

        source.scan(store)

        assert ids(store) == ["1.2.3_f0", "1.2.3_f1", "1.2.3_f2"]
        assert store.images.get("1.2.3_f2").frame == 2
        assert store.images.get("1.2.3_f2").sop_instance_uid == "1.2.3"

    def test_a_cine_of_one_frame_has_the_bare_uid(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom
    ) -> None:
        write_dicom("cine.dcm", "1.2.3", frames=1)

        source.scan(store)

        assert ids(store) == ["1.2.3"]

    def test_ordinary_images_are_named_by_their_path(
        self, source: FolderSource, store: Store, write_picture: WritePicture
    ) -> None:
        for name in ("left/scan 1.png", "right/scan 1.png", "a..b.jpg"):
            write_picture(name)

        source.scan(store)

        assert store.images.get("scan-1-94fbd637").locator == "left/scan 1.png"
        assert len(ids(store)) == 3


class TestLayout:
    def test_what_is_no_image_to_annotate_is_left_out(
        self, source: FolderSource, store: Store, write_picture: WritePicture, studies: Path
    ) -> None:
        write_picture("benign/benign (1).png")
        write_picture("benign/benign (1)_mask.png")
        write_picture("benign/benign (1)_mask_1.png")
        write_picture(".hidden.png")
        write_picture(".cache/x.png")
        write_picture("._benign.png")
        write_picture("imported/masks/1.png")
        (studies / "imported/annotations.csv").write_text("image_id\n")
        (studies / "README").write_text("read me")
        (studies / "notes.txt").write_text("notes")

        summary = source.scan(store)

        assert [image.locator for image in store.images.list()] == ["benign/benign (1).png"]
        assert summary.refused == ()

    def test_names_that_only_look_like_masks_are_images(
        self, source: FolderSource, store: Store, write_picture: WritePicture
    ) -> None:
        write_picture("face_mask.png")
        write_picture("masks/1.png")

        source.scan(store)

        assert [i.locator for i in store.images.list()] == ["face_mask.png", "masks/1.png"]

    def test_a_workspace_inside_the_studies_is_left_out(
        self, store: Store, write_picture: WritePicture, studies: Path
    ) -> None:
        write_picture("one.png")
        write_picture("workspace/cache/two.png")

        FolderSource(studies, studies / "workspace").scan(store)

        assert [image.locator for image in store.images.list()] == ["one.png"]

    def test_links_that_leave_are_refused_and_links_that_stay_add_nothing(
        self, source: FolderSource, store: Store, write_picture: WritePicture, studies: Path
    ) -> None:
        write_picture("one.png")
        write_picture("../elsewhere/two.png")
        (studies / "again.png").symlink_to(studies / "one.png")
        (studies / "loop").symlink_to(studies)
        (studies / "out.png").symlink_to(studies.parent / "elsewhere/two.png")
        (studies / "outside").symlink_to(studies.parent / "elsewhere")

        summary = source.scan(store)

        assert [image.locator for image in store.images.list()] == ["one.png"]
        assert codes(summary) == {"out.png": "outside", "outside": "outside"}


class TestRefusing:
    def test_a_file_that_is_no_ultrasound_is_kept_with_its_reason(
        self, source: FolderSource, store: Store, studies: Path, write_picture: WritePicture
    ) -> None:
        (studies / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
        (studies / "text.png").write_text("no picture")
        write_picture("good.png")

        summary = source.scan(store)

        assert counts(summary) == (1, 0, 0)
        assert set(codes(summary)) == {"broken.dcm", "text.png"}
        assert store.images.refusals() == summary.refused
        assert codes(summary)["text.png"] == "unknown_format"

    def test_it_is_told_once_and_forgotten_when_mended(
        self, source: FolderSource, store: Store, studies: Path, write_picture: WritePicture
    ) -> None:
        (studies / "a.png").write_text("no picture")
        source.scan(store)

        assert source.scan(store).refused == ()
        assert len(store.images.refusals()) == 1
        write_picture("a.png")
        assert counts(source.scan(store)) == (1, 0, 0)
        assert store.images.refusals() == ()

    def test_it_is_not_read_again_until_it_changes_or_the_source_is_opened_anew(
        self,
        source: FolderSource,
        store: Store,
        studies: Path,
        workspace: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (studies / "a.png").write_text("no picture")
        source.scan(store)
        read: list[Path] = []
        monkeypatch.setattr("sonoloop.pacs.folder.is_candidate", read.append)

        source.scan(store)
        assert read == []
        FolderSource(studies, workspace).scan(store)
        assert read == [studies / "a.png"]

    def test_a_file_that_could_not_be_opened_is_tried_again(
        self,
        source: FolderSource,
        store: Store,
        write_dicom: WriteDicom,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def forbidden(path: Path) -> ImageHeader:
            raise ImageReadError("unreadable", "permission denied")

        write_dicom("a.dcm", "1.2.3")
        with monkeypatch.context() as patched:
            patched.setattr("sonoloop.pacs.folder.read_header", forbidden)
            assert codes(source.scan(store)) == {"a.dcm": "unreadable"}

        assert counts(source.scan(store)) == (1, 0, 0)
        assert store.images.refusals() == ()

    def test_a_name_that_is_no_text_is_told(
        self, source: FolderSource, store: Store, studies: Path, write_picture: WritePicture
    ) -> None:
        write_picture("a.png")
        os.rename(studies / "a.png", os.fsencode(studies) + b"/\xff.png")

        summary = source.scan(store)

        assert codes(summary) == {"\\udcff.png": "file_name"}

    def test_of_two_files_with_one_instance_the_first_is_kept(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        write_dicom("b.dcm", "1.2.3")

        first = source.scan(store)
        second = source.scan(store)

        assert (codes(first), codes(second)) == ({"b.dcm": "duplicate_uid"}, {})
        assert store.images.get("1.2.3").locator == "a.dcm"
        assert "'a.dcm', which is kept" in first.refused[0].message
        (studies / "a.dcm").unlink()
        source.scan(store)
        assert store.images.get("1.2.3").locator == "b.dcm"
        assert store.images.refusals() == ()

    def test_a_folder_that_cannot_be_listed_does_not_mark_everything_as_gone(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        studies.rename(studies.parent / "unmounted")

        with pytest.raises(PacsError, match="is its disk mounted"):
            source.scan(store)

        assert ids(store) == ["1.2.3"]


class TestChanges:
    def test_what_has_not_changed_is_not_read_again(
        self,
        source: FolderSource,
        store: Store,
        write_dicom: WriteDicom,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)

        def fail(path: Path) -> Any:
            raise AssertionError(f"{path} was read again")

        monkeypatch.setattr("sonoloop.pacs.folder.read_header", fail)

        assert counts(source.scan(store)) == (0, 0, 0)

    def test_a_changed_file_is_renewed_and_keeps_its_labels(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        store.annotations.save(NewAnnotation(image_id="1.2.3"), None)
        write_dicom("a.dcm", "1.2.3", spacing_mm=(0.3, 0.3))
        os.utime(studies / "a.dcm", ns=(1, 1))

        assert counts(source.scan(store)) == (0, 1, 0)
        assert store.images.get("1.2.3").spacing_mm == (0.3, 0.3)
        assert store.images.labelled_ids() == ("1.2.3",)

    def test_a_moved_file_is_the_same_image(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        (studies / "deep").mkdir()
        (studies / "a.dcm").rename(studies / "deep/b.dcm")

        assert counts(source.scan(store)) == (0, 1, 0)
        assert source.path_of(store.images.get("1.2.3")) == studies / "deep/b.dcm"

    def test_two_files_may_swap_their_names(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        for name, uid in (("a.dcm", "1.2.3"), ("b.dcm", "1.2.4")):
            write_dicom(name, uid)
            os.utime(studies / name, ns=(len(uid), ord(name[0])))
        source.scan(store)
        (studies / "a.dcm").rename(studies / "c")
        (studies / "b.dcm").rename(studies / "a.dcm")
        (studies / "c").rename(studies / "b.dcm")

        summary = source.scan(store)

        assert (counts(summary), summary.refused) == ((0, 2, 0), ())
        assert store.images.get("1.2.3").locator == "b.dcm"
        assert store.images.get("1.2.4").locator == "a.dcm"

    def test_a_file_that_left_keeps_its_labels_and_says_so(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        store.annotations.save(NewAnnotation(image_id="1.2.3"), None)
        stale = store.images.get("1.2.3")
        (studies / "a.dcm").unlink()

        with pytest.raises(NotFoundError, match="file has gone"):
            source.path_of(stale)

        assert counts(source.scan(store)) == (0, 0, 1)
        with pytest.raises(NotFoundError, match="has left the study folder"):
            source.path_of(store.images.get("1.2.3"))
        assert store.images.labelled_ids() == ("1.2.3",)
        write_dicom("a.dcm", "1.2.3")
        assert counts(source.scan(store)) == (0, 1, 0)
        assert source.path_of(store.images.get("1.2.3")) == studies / "a.dcm"

    def test_a_file_that_holds_another_image_now_is_not_mistaken_for_the_old(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        old = store.images.get("1.2.3")
        write_dicom("a.dcm", "1.2.4", study_date="")

        with pytest.raises(NotFoundError, match="holds something else now"):
            source.path_of(old)

        assert counts(source.scan(store)) == (1, 0, 0)
        with pytest.raises(NotFoundError, match="has left"):
            source.path_of(store.images.get("1.2.3"))

    def test_a_file_that_was_only_touched_can_still_be_opened(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        os.utime(studies / "a.dcm", ns=(5, 5))

        assert source.path_of(store.images.get("1.2.3")) == studies / "a.dcm"

    def test_images_of_another_source_are_out_of_sight(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        image = store.images.get("1.2.3")
        remote = replace(image, image_id="9", sop_instance_uid="9", source="dicomweb")
        store.images.upsert_many([remote])

        source.scan(store)

        assert ids(store) == ["1.2.3"]
        with pytest.raises(NotFoundError, match="has left the study folder"):
            source.path_of(remote)


class TestProgressAndPaths:
    def test_progress_ends_at_the_number_of_files(
        self, source: FolderSource, store: Store, write_picture: WritePicture
    ) -> None:
        for i in range(3):
            write_picture(f"{i}.png")
        told: list[tuple[int, int]] = []

        source.scan(store, lambda done, total: told.append((done, total)))

        assert told == [(0, 3), (3, 3)]

    @pytest.mark.parametrize("locator", ["../secret", "/etc/passwd", "a/../../secret", "\0", ""])
    def test_a_locator_cannot_leave_the_folder(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path,
        locator: str,
    ) -> None:  # fmt: skip
        (studies.parent / "secret").write_text("secret")
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        image = replace(store.images.get("1.2.3"), locator=locator)

        with pytest.raises(NotFoundError, match=r"leaves its folder|not a file|has gone"):
            source.path_of(image)

    def test_a_link_made_later_cannot_leave_the_folder(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        (studies / "a.dcm").rename(studies.parent / "a.dcm")
        (studies / "a.dcm").symlink_to(studies.parent / "a.dcm")

        with pytest.raises(NotFoundError, match="leaves its folder"):
            source.path_of(store.images.get("1.2.3"))

    def test_uploads_are_found_in_the_workspace(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        upload = replace(store.images.get("1.2.3"), source="upload", locator="x.png")
        (store.paths.uploads / "x.png").touch()

        assert source.path_of(upload) == store.paths.uploads / "x.png"


@pytest.mark.shared_data
def test_every_real_file_is_registered(shared_data: Path, store: Store, workspace: Path) -> None:
    folder = shared_data / "us-dicom"

    summary = FolderSource(folder, workspace).scan(store)

    # Two of the published files are conversions of one instance and kept its UID.
    assert codes(summary) == {"palette_rle_2frame.dcm": "duplicate_uid"}
    assert len(store.images.by_locator("folder")) == len(list(folder.glob("*.dcm"))) - 1
