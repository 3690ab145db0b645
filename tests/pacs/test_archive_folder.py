"""A study folder as an archive: its instances are read, and what is stored lies elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from sonoloop.errors import InstanceRefusedError, NotFoundError, PacsError, StoreError
from sonoloop.exporting.pictures import KeptPictures
from sonoloop.pacs import received
from sonoloop.pacs.folder import FolderSource
from sonoloop.pacs.port import InstanceAddress
from sonoloop.pacs.walk import FoundFile, walk
from sonoloop.store import Store
from sonoloop.store.paths import WorkspacePaths

WriteDicom = Callable[..., str]
ENHANCED_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.fixture
def source(studies: Path, workspace: Path) -> FolderSource:
    return FolderSource(studies, workspace)


@pytest.fixture
def made(studies: Path, write_dicom: WriteDicom) -> Callable[..., bytes]:
    """Content of a DICOM file that lies nowhere."""

    def make(uid: str, attributes: dict[str, str] | None = None, **changes: Any) -> bytes:
        write_dicom("made.dcm", uid, **changes)
        path = studies / "made.dcm"
        dataset = pydicom.dcmread(path)
        for keyword, value in (attributes or {}).items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
        content = path.read_bytes()
        path.unlink()
        return content

    return make


def address(uid: str) -> InstanceAddress:
    return InstanceAddress(study=f"{uid}.2", series=f"{uid}.1", instance=uid)


class TestReading:
    def test_a_header_is_that_of_the_file_without_its_pixels(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom
    ) -> None:
        write_dicom("a.dcm", "1.2.3", patient_id="p7", frames=3)
        source.scan(store)

        header = source.header(store.images.get("1.2.3_f1"))

        assert (header.PatientID, header.NumberOfFrames) == ("p7", 3)
        assert "PixelData" not in header

    def test_a_picture_has_no_header(
        self, source: FolderSource, store: Store, write_picture: Callable[..., None]
    ) -> None:
        write_picture("a.png")
        source.scan(store)

        with pytest.raises(NotFoundError, match="is no DICOM file"):
            source.header(store.images.list()[0])

    def test_instances_are_listed_by_modality_and_given_byte_for_byte(
        self, source: FolderSource, store: Store, studies: Path, write_dicom: WriteDicom
    ) -> None:
        write_dicom("deep/a.dcm", "1.2.3")
        source.scan(store)

        assert source.instances("1.2.3.2", "US") == [address("1.2.3")]
        assert source.instances("1.2.3.2", "SEG") == []
        assert source.instances("9.9", "US") == []
        content = (studies / "deep/a.dcm").read_bytes()
        assert source.retrieve(address("1.2.3")) == content

    def test_instances_of_a_series_come_in_the_order_of_their_numbers(
        self, source: FolderSource, store: Store, studies: Path, made: Callable[..., bytes]
    ) -> None:
        for uid, number in (("1.2.4", "2"), ("1.2.9", "1"), ("1.2.5", "10")):
            told = {"StudyInstanceUID": "1.7", "SeriesInstanceUID": "1.8", "InstanceNumber": number}
            (studies / f"{uid}.dcm").write_bytes(made(uid, told))
        source.scan(store)

        found = [address.instance for address in source.instances("1.7", "US")]

        assert found == ["1.2.9", "1.2.4", "1.2.5"]

    @pytest.mark.parametrize("part", ["study", "series", "instance"])
    def test_an_address_that_is_wrong_in_one_part_finds_nothing(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, part: str
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        facts = {"study": "1.2.3.2", "series": "1.2.3.1", "instance": "1.2.3", part: "1.9"}

        with pytest.raises(NotFoundError, match="there is no instance"):
            source.retrieve(InstanceAddress(**facts))


class TestChanges:
    def test_files_that_come_change_and_go_are_followed(
        self, source: FolderSource, store: Store, studies: Path, write_dicom: WriteDicom
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        write_dicom("b.dcm", "1.2.4", series_instance_uid="1.2.3.1", study_instance_uid="1.2.3.2")
        source.scan(store)
        (studies / "a.dcm").unlink()
        write_dicom("b.dcm", "1.2.5555")

        source.scan(store)

        assert source.instances("1.2.3.2", "US") == []
        assert source.instances("1.2.5555.2", "US") == [address("1.2.5555")]

    def test_a_copy_takes_the_place_of_a_file_that_goes(
        self, source: FolderSource, store: Store, studies: Path, write_dicom: WriteDicom
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        (studies / "b.dcm").write_bytes((studies / "a.dcm").read_bytes())
        source.scan(store)
        (studies / "a.dcm").unlink()

        source.scan(store)

        assert source.archive.located(address("1.2.3")) == studies / "b.dcm"

    def test_an_unchanged_file_is_read_once(
        self,
        source: FolderSource,
        store: Store,
        studies: Path,
        workspace: Path,
        write_dicom: WriteDicom,
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        found = walk(studies, leave_out=workspace)

        assert FolderSource(studies, workspace).archive.refresh(found.files) == 0

    def test_an_index_of_another_version_is_made_anew(
        self,
        source: FolderSource,
        store: Store,
        studies: Path,
        workspace: Path,
        write_dicom: WriteDicom,
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        with source.archive.index.connection() as connection:
            connection.execute("PRAGMA user_version = 99")
        reopened = FolderSource(studies, workspace)
        assert reopened.instances("1.2.3.2", "US") == []

        reopened.scan(store)

        assert reopened.instances("1.2.3.2", "US") == [address("1.2.3")]

    def test_a_folder_that_cannot_be_listed_is_told_and_recovers(
        self, source: FolderSource, store: Store, studies: Path
    ) -> None:
        studies.rename(studies.with_name("away"))
        with pytest.raises(PacsError, match="cannot be listed"):
            source.scan(store)
        assert not source.state.reachable
        assert "cannot be listed" in str(source.state.problem)

        studies.with_name("away").rename(studies)
        source.scan(store)

        assert (source.state.reachable, source.state.problem) == (True, None)


class TestStoring:
    def test_what_is_stored_is_kept_in_the_workspace_and_comes_back(
        self, source: FolderSource, made: Callable[..., bytes], studies: Path, store: Store
    ) -> None:
        content = made("1.2.9")

        source.store("1.2.9.2", [content])

        assert source.instances("1.2.9.2", "US") == [address("1.2.9")]
        assert source.retrieve(address("1.2.9")) == content
        assert list(studies.iterdir()) == []
        assert [p for p in store.paths.received.rglob("*") if p.suffix == ".part"] == []

    def test_a_stored_image_is_found_by_the_scan_and_opened(
        self, source: FolderSource, made: Callable[..., bytes], store: Store
    ) -> None:
        source.store("1.2.9.2", [made("1.2.9")])

        assert source.scan(store).added == 1
        record = store.images.get("1.2.9")

        assert source.path_of(record).is_relative_to(store.paths.received)
        assert source.header(record).SOPInstanceUID == "1.2.9"
        assert KeptPictures(store.paths).path_of(record) == source.path_of(record)

    def test_a_stored_segmentation_is_no_broken_image(
        self, source: FolderSource, made: Callable[..., bytes], store: Store
    ) -> None:
        content = made("1.2.9", {"SOPClassUID": SEGMENTATION, "Modality": "SEG"})
        source.store("1.2.9.2", [content])

        summary = source.scan(store)

        assert (summary.added, summary.refused) == (0, ())
        assert source.instances("1.2.9.2", "SEG") == [address("1.2.9")]

    def test_the_same_bytes_twice_are_kept_already(
        self, source: FolderSource, made: Callable[..., bytes]
    ) -> None:
        content = made("1.2.9")
        source.store("1.2.9.2", [content])

        source.store("1.2.9.2", [content])

        assert source.retrieve(address("1.2.9")) == content

    def test_an_instance_is_never_overwritten(
        self, source: FolderSource, made: Callable[..., bytes]
    ) -> None:
        first = made("1.2.9")
        source.store("1.2.9.2", [first])

        with pytest.raises(InstanceRefusedError, match="is here with other content"):
            source.store("1.2.9.2", [made("1.2.9", {"PatientID": "other"})])

        assert source.retrieve(address("1.2.9")) == first

    @pytest.mark.parametrize("restarted", [False, True])
    def test_an_instance_is_not_overwritten_where_the_index_was_deleted(
        self,
        source: FolderSource,
        made: Callable[..., bytes],
        studies: Path,
        workspace: Path,
        restarted: bool,
    ) -> None:
        first = made("1.2.9")
        source.store("1.2.9.2", [first])
        WorkspacePaths(workspace.resolve()).instances.unlink()
        other = made("1.2.9", {"SeriesInstanceUID": "1.2.9.7"})
        if restarted:
            source = FolderSource(studies, workspace)

        with pytest.raises(InstanceRefusedError, match="is here with other content"):
            source.store("1.2.9.2", [other])

        assert source.retrieve(address("1.2.9")) == first

    def test_a_file_that_the_index_does_not_know_is_not_overwritten(
        self, source: FolderSource, made: Callable[..., bytes], store: Store
    ) -> None:
        lying = store.paths.received / "images/1.2.9.2/1.2.9.1/1.2.9.dcm"
        lying.parent.mkdir(parents=True)
        lying.write_bytes(b"torn")

        with pytest.raises(InstanceRefusedError, match="is here with other content"):
            source.store("1.2.9.2", [made("1.2.9")])

        assert lying.read_bytes() == b"torn"

    def test_a_file_that_the_index_does_not_know_is_kept_already_when_it_is_the_same(
        self,
        source: FolderSource,
        made: Callable[..., bytes],
        store: Store,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        content = made("1.2.9")
        with monkeypatch.context() as patch:
            patch.setattr("sonoloop.pacs.index.InstanceIndex.add", lambda *_: None)
            source.store("1.2.9.2", [content])

        source.store("1.2.9.2", [content])

        assert source.retrieve(address("1.2.9")) == content

    def test_what_is_stored_during_a_scan_is_not_forgotten_by_it(
        self,
        source: FolderSource,
        made: Callable[..., bytes],
        store: Store,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        content = made("1.2.9", {"SOPClassUID": SEGMENTATION, "Modality": "SEG"})
        real = source.archive.refresh

        def refresh(files: list[FoundFile]) -> int:
            source.store("1.2.9.2", [content])
            return real(files)

        monkeypatch.setattr(source.archive, "refresh", refresh)

        source.scan(store)

        assert source.instances("1.2.9.2", "SEG") == [address("1.2.9")]
        assert source.retrieve(address("1.2.9")) == content

    def test_what_was_stored_and_has_been_removed_is_forgotten(
        self, source: FolderSource, made: Callable[..., bytes], store: Store
    ) -> None:
        source.store("1.2.9.2", [made("1.2.9")])
        for path in store.paths.received.rglob("*.dcm"):
            path.unlink()

        source.scan(store)

        assert source.instances("1.2.9.2", "US") == []

    def test_an_instance_of_the_study_folder_is_not_stored_again(
        self, source: FolderSource, store: Store, write_dicom: WriteDicom, studies: Path
    ) -> None:
        write_dicom("a.dcm", "1.2.3")
        source.scan(store)
        content = (studies / "a.dcm").read_bytes()

        source.store("1.2.3.2", [content])

        assert list(store.paths.received.rglob("*.dcm")) == []

    @pytest.mark.parametrize(
        ("attributes", "told"),
        [
            ({"SOPClassUID": ENHANCED_VOLUME}, "is not taken"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT"}, "is not taken"),
            ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "OT"}, "is not taken"),
            ({"StudyInstanceUID": "1.2.8"}, r"belongs to study 1\.2\.8, not 1\.2\.9\.2"),
        ],
    )
    def test_what_does_not_belong_here_is_refused(
        self,
        source: FolderSource,
        made: Callable[..., bytes],
        attributes: dict[str, str],
        told: str,
    ) -> None:
        with pytest.raises(InstanceRefusedError, match=told):
            source.store("1.2.9.2", [made("1.2.9", attributes)])

    def test_a_secondary_capture_of_ultrasound_is_taken(
        self, source: FolderSource, made: Callable[..., bytes]
    ) -> None:
        content = made("1.2.9", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"})

        source.store("1.2.9.2", [content])

        assert source.retrieve(address("1.2.9")) == content

    @pytest.mark.parametrize("content", [b"", b"x" * 500, b"\0" * 128 + b"DICM" + b"\7" * 99])
    def test_what_is_no_dicom_is_refused(self, source: FolderSource, content: bytes) -> None:
        with pytest.raises(InstanceRefusedError, match="no DICOM instance"):
            source.store("1.2.9.2", [content])

    def test_what_is_too_large_is_refused(
        self,
        source: FolderSource,
        made: Callable[..., bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(received, "MAX_INSTANCE_BYTES", 1000)

        with pytest.raises(InstanceRefusedError, match="an instance has"):
            source.store("1.2.9.2", [made("1.2.9")])

    def test_a_uid_that_could_lead_elsewhere_is_refused(
        self, source: FolderSource, made: Callable[..., bytes], workspace: Path
    ) -> None:
        content = made("1.2.9").replace(b"1.2.9.1\0", b"../../.x")

        with pytest.raises(InstanceRefusedError, match="SeriesInstanceUID"):
            source.store("1.2.9.2", [content])

        assert not any(workspace.rglob("*.dcm"))


def test_an_index_that_is_damaged_is_told_without_where_it_lies(
    source: FolderSource, store: Store
) -> None:
    WorkspacePaths(store.paths.root).instances.write_bytes(b"no database" * 100)

    with pytest.raises(StoreError, match="delete it") as raised:
        source.instances("1.2", "US")

    assert str(store.paths.root) not in str(raised.value)


def test_the_index_is_for_its_owner_alone(source: FolderSource, store: Store) -> None:
    source.scan(store)

    assert WorkspacePaths(store.paths.root).instances.stat().st_mode & 0o077 == 0
