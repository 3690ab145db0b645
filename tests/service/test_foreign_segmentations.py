"""Segmentations of other programs become annotations, once, and of our own none."""

import dataclasses
import importlib.util
import io
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from typer.testing import CliRunner

from postgres import PostgresServer
from sonoloop.cli.main import app
from sonoloop.errors import PacsError, StoreError
from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom
from sonoloop.labels import Pathology
from sonoloop.pacs.folder import FolderSource
from sonoloop.pacs.open import open_source
from sonoloop.reporting.documents import documents_for
from sonoloop.reporting.foreign import ForeignSegment, SegmentationSource
from sonoloop.reporting.reading import Reading
from sonoloop.service.foreign import ForeignSummary, import_segmentations, pathology_of, tally
from sonoloop.service.foreign_watch import ForeignWatch
from sonoloop.store.annotations import NewAnnotation
from sonoloop.store.store import Store

SHAPE = (48, 64)
STUDY = stable_uid("study")
MASK = np.zeros(SHAPE, np.uint8)
MASK[5:20, 8:40] = 1


def _load_foreign() -> Any:
    path = Path(__file__).parents[1] / "reporting" / "foreign_files.py"
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[path.stem])
    return sys.modules[path.stem]


FOREIGN = _load_foreign()


@dataclasses.dataclass
class Site:
    """A study folder with one image and one cine, and the store of its server."""

    studies: Path
    workspace: Path
    store: Store
    source: FolderSource

    @property
    def image(self) -> str:
        return stable_uid("mono")

    def put(self, frames: list[Any], uid: str = "1.2.3.99", **options: Any) -> None:
        """A segmentation of somebody else; ``frames`` as in ``foreign_files.py``."""
        changes = options.pop("changes", {})
        dataset = FOREIGN.segmentation(frames, **options)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, f"{uid}.1"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        (self.studies / f"{uid}.dcm").write_bytes(FOREIGN.saved(dataset))

    def look(self, **options: Any) -> ForeignSummary:
        self.source.scan(self.store)
        return import_segmentations(self.store, self.source, **options)

    def mask(self, image_id: str) -> npt.NDArray[np.uint8]:
        newest = self.store.annotations.history(image_id)[-1]
        return self.store.annotations.mask(newest)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    studies, workspace = tmp_path / "studies", tmp_path / "workspace"
    studies.mkdir()
    for name, frames in (("mono", 1), ("cine", 4)):
        pixels = np.random.default_rng(0).integers(0, 255, (frames, *SHAPE), dtype=np.uint8)
        told = UltrasoundDicom(
            sop_instance_uid=stable_uid(name),
            series_instance_uid=stable_uid("series", name),
            study_instance_uid=STUDY,
            patient_id="P1",
        )
        path = studies / f"{name}.dcm"
        write_ultrasound_dicom(path, pixels if frames > 1 else pixels[0], told, cine=frames > 1)
    with Store.open(workspace) as store:
        source = FolderSource(studies, workspace)
        source.scan(store)
        yield Site(studies, workspace, store, source)


def test_a_segmentation_becomes_a_draft_of_its_creator(site: Site) -> None:
    site.put([(MASK, site.image, 1, 1)])
    summary = site.look()
    (draft,) = site.store.annotations.history(site.image)

    assert (summary.seen, summary.annotations, summary.refused) == (1, 1, [])
    assert (draft.tag, draft.state, draft.reader) == ("final", "draft", "Roe Rita")
    assert draft.info["segmentation"] == "1.2.3.99"
    assert not site.store.images.get(site.image).labelled
    np.testing.assert_array_equal(site.mask(site.image), MASK)


def test_texts_that_no_database_can_keep_are_mended(
    site: Site, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    changes = {"Manufacturer": "Ma\0ker", "ContentCreatorName": "Roe^Ri\0ta"}
    site.put([(MASK, site.image, 1, 1)], changes=changes, segments={1: "Mass\0, benign"})
    name = postgres_server.create()
    with Store.open(tmp_path / "other", url=postgres_server.url(name)) as store:
        source = FolderSource(site.studies, tmp_path / "other")
        source.scan(store)
        summary = import_segmentations(store, source)
        (draft,) = store.annotations.history(site.image)
    postgres_server.drop(name)

    assert (summary.annotations, summary.refused) == (1, [])
    assert (draft.reader, draft.info["manufacturer"]) == ("Roe Rita", "Maker")
    assert draft.info["labels"] == ["Mass, benign"]


def test_trusted_ones_count(site: Site) -> None:
    site.put([(MASK, site.image, 1, 1)], changes={"ContentCreatorName": ""})
    site.look(trusted=True)
    label = site.store.annotations.latest(site.image)

    assert label is not None
    assert (label.state, label.reader) == ("submitted", "foreign:Unspecified")
    assert site.store.images.get(site.image).labelled


def test_each_is_taken_once(site: Site) -> None:
    site.put([(MASK, site.image, 1, 1)])
    site.look()
    again = site.look()

    assert (again.seen, again.known, again.annotations) == (1, 1, 0)
    assert len(site.store.annotations.history(site.image)) == 1


def test_frames_of_a_cine_get_their_own_masks(site: Site) -> None:
    cine = stable_uid("cine")
    site.put([(MASK, cine, 2, 1), (np.roll(MASK, 3), cine, 4, 1)])
    summary = site.look()

    assert summary.annotations == 2
    np.testing.assert_array_equal(site.mask(f"{cine}_f1"), MASK)
    np.testing.assert_array_equal(site.mask(f"{cine}_f3"), np.roll(MASK, 3))
    assert site.store.annotations.history(f"{cine}_f0") == []


def test_segments_make_one_mask_without_background(site: Site) -> None:
    other = np.roll(MASK, 20, axis=0)
    site.put(
        [(MASK, site.image, 1, 1), (other, site.image, 1, 2), (1 - MASK, site.image, 1, 3)],
        segments={1: "Mass, benign", 2: "Malignant mass", 3: "Background"},
    )
    site.look()
    (draft,) = site.store.annotations.history(site.image)

    assert draft.pathology is Pathology.MALIGNANT
    assert draft.info["labels"] == ["Mass, benign", "Malignant mass"]
    np.testing.assert_array_equal(site.mask(site.image), MASK | other)


def test_the_newest_comes_last(site: Site) -> None:
    site.put([(MASK, site.image, 1, 1)], "1.2.3.1", changes={"ContentDate": "20260202"})
    site.put([(MASK.T.reshape(SHAPE), site.image, 1, 1)], "1.2.3.2",
             changes={"ContentDate": "20260101"})  # fmt: skip
    site.look()

    np.testing.assert_array_equal(site.mask(site.image), MASK)


def test_our_own_are_left_alone(site: Site) -> None:
    record = site.store.images.get(site.image)
    reading = Reading(
        record=record, mask=MASK, state="final", reader="Doe", assessed_at=datetime.now(UTC)
    )
    own = documents_for(site.source.header(record), reading).segmentation
    assert own is not None
    moved = pydicom.dcmread(io.BytesIO(own.data))  # as another server of ours would name it
    moved.SeriesInstanceUID, moved.SOPInstanceUID = "1.2.3.7", "1.2.3.8"
    stream = io.BytesIO()
    moved.save_as(stream)
    site.source.store(STUDY, [own.data, stream.getvalue()])
    summary = site.look()

    assert len(site.source.instances(STUDY, "SEG")) == 2
    assert (summary.seen, summary.annotations) == (0, 0)


def test_readers_here_are_not_overruled(site: Site) -> None:
    site.store.annotations.save(NewAnnotation(image_id=site.image, reader="Doe"), MASK)
    site.put([(np.roll(MASK, 5), site.image, 1, 1)])
    summary = site.look(trusted=True)

    assert tally(summary.refused) == {"superseded": 1}
    np.testing.assert_array_equal(site.mask(site.image), MASK)


def test_what_cannot_be_taken_is_told(site: Site) -> None:
    site.put([(MASK, "1.2.3.4", 1, 1)], "1.2.3.1")
    site.put([(MASK[:40], site.image, 1, 1)], "1.2.3.2")
    site.put([(MASK, site.image, 1, 1)], "1.2.3.3", changes={"BitsAllocated": 32})
    site.put([(MASK, site.image, 1, 1)], "1.2.3.5")
    summary = site.look()

    assert tally(summary.refused) == {"unknown_image": 1, "size": 1, "unreadable": 1}
    assert {refusal.locator for refusal in summary.refused} == {"1.2.3.1", "1.2.3.2", "1.2.3.3"}
    assert (summary.seen, summary.annotations) == (4, 1)


def test_an_image_that_comes_later_gets_its_mask_then(site: Site) -> None:
    hidden = (site.studies / "cine.dcm").rename(site.workspace / "cine.dcm")
    site.put([(MASK, site.image, 1, 1), (MASK, stable_uid("cine"), 1, 1)])
    first = site.look()
    hidden.rename(site.studies / "cine.dcm")
    second = site.look()

    assert (first.annotations, tally(first.refused)) == (1, {"unknown_image": 1})
    assert (second.annotations, second.known, second.refused) == (1, 1, [])


def test_an_archive_that_is_away_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise PacsError("the PACS is down")

    monkeypatch.setattr(FolderSource, "instances", away)

    with pytest.raises(PacsError, match="the PACS is down"):
        import_segmentations(site.store, site.source)


def test_one_that_the_archive_does_not_give_is_no_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put([(MASK, site.image, 1, 1)], "1.2.3.1")
    site.put([(MASK, stable_uid("cine"), 1, 1)], "1.2.3.2")
    refuse_to_give(monkeypatch, "1.2.3.1")
    summary = site.look()

    assert (summary.annotations, tally(summary.refused)) == (1, {"unreadable": 1})
    assert summary.read == {"1.2.3.2"}


def test_an_archive_that_gives_nothing_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    uids = [f"1.2.3.{number}" for number in range(5)]
    for uid in uids:
        site.put([(MASK, site.image, 1, 1)], uid)
    asked = refuse_to_give(monkeypatch, *uids)

    with pytest.raises(PacsError, match="HTTP 500"):
        site.look()
    assert len(asked) == 3


def refuse_to_give(monkeypatch: pytest.MonkeyPatch, *uids: str) -> list[str]:
    """Has the archive fail to give these; those it was asked for."""
    retrieve, asked = FolderSource.retrieve, list[str]()

    def failing(source: FolderSource, address: Any) -> bytes:
        if address.instance not in uids:
            return retrieve(source, address)
        asked.append(address.instance)
        raise PacsError("the PACS failed: HTTP 500")

    monkeypatch.setattr(FolderSource, "retrieve", failing)
    return asked


def test_masks_of_large_files_are_not_held_at_once(site: Site) -> None:
    cine = stable_uid("cine")
    values = np.arange(MASK.size, dtype=np.uint8).reshape(SHAPE)  # 255 segments in each frame
    strangers = [(values, "1.2.3.4", frame, None) for frame in range(1, 101)]
    for uid in ("1.2.3.1", "1.2.3.2", "1.2.3.3"):
        frames = [(values, cine, 1, None), (values, cine, 2, None), *strangers]
        site.put(frames, uid, bits=8, kind="LABELMAP")
    site.source.scan(site.store)

    tracemalloc.start()
    summary = import_segmentations(site.store, site.source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert summary.annotations == 6
    assert tally(summary.refused) == {"unknown_image": 3}
    assert peak < 20 * 2**20  # all masks together are 230 MB


@pytest.mark.parametrize(
    ("labels", "pathology"),
    [
        (["Lesion"], None),
        (["benign mass"], Pathology.BENIGN),
        (["BENIGN", "Malignant?"], Pathology.MALIGNANT),
        (["benign or malignant"], None),
        (["non-malignant"], None),
        (["not malignant"], None),
        (["malignantly"], None),
    ],
)
def test_only_plain_words_tell_the_pathology(
    labels: list[str], pathology: Pathology | None
) -> None:
    assert pathology_of([segment(label) for label in labels]) is pathology


def test_codes_tell_the_pathology_in_any_language() -> None:
    bösartig = segment("Herd", codes=(("21594007", "SCT", "bösartig"),))

    assert pathology_of([bösartig]) is Pathology.MALIGNANT


def segment(label: str, codes: tuple[tuple[str, str, str], ...] = ()) -> ForeignSegment:
    source = SegmentationSource(instance_uid="1.2", series_uid="1.3", study_uid="1.4")
    return ForeignSegment(
        image_sop_uid="1.1",
        frame=0,
        segment=1,
        label=label,
        mask=MASK > 0,
        codes=codes,
        source=source,
    )


def test_the_command_tells_what_it_did(site: Site) -> None:
    site.put([(MASK, site.image, 1, 1)], "1.2.3.1")
    site.put([(MASK, "1.2.3.4", 1, 1)], "1.2.3.2")
    arguments = ["--studies", str(site.studies), "--workspace", str(site.workspace)]
    run = CliRunner().invoke(app, ["segmentations", *arguments, "--trust"])
    rows = {" ".join(line.split("│")).strip() for line in run.stdout.splitlines()}

    assert run.exit_code == 0, run.output
    assert any(row.startswith("annotations registered ") and row.endswith(" 1") for row in rows)
    assert any(row.startswith("not taken: unknown_image") for row in rows)
    assert site.store.images.get(site.image).labelled


def test_the_command_names_no_new_workspace(tmp_path: Path) -> None:
    run = CliRunner().invoke(
        app, ["segmentations", "--studies", str(tmp_path), "--workspace", str(tmp_path / "none")]
    )

    assert run.exit_code == 1
    assert not (tmp_path / "none").exists()


class TestTheWatch:
    def test_takes_what_is_new_and_reads_nothing_twice(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[str] = []
        retrieve = FolderSource.retrieve

        def counted(source: FolderSource, address: Any) -> bytes:
            read.append(address.instance)
            return retrieve(source, address)

        monkeypatch.setattr(FolderSource, "retrieve", counted)
        watch = ForeignWatch(site.store, site.source, "trusted")
        site.put([(MASK, site.image, 1, 1)], "1.2.3.1")
        site.put([(MASK, "1.2.3.4", 1, 1)], "1.2.3.2")
        for _ in range(3):
            site.source.scan(site.store)
            watch.look()

        assert len(site.store.annotations.history(site.image)) == 1
        assert sorted(read) == ["1.2.3.1", *["1.2.3.2"] * 3]  # whose image may still come

    def test_is_off_unless_it_is_wanted(self, site: Site) -> None:
        site.put([(MASK, site.image, 1, 1)])
        site.source.scan(site.store)
        ForeignWatch(site.store, site.source, "off").look()

        assert site.store.annotations.history(site.image) == []

    def test_studies_take_turns(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []
        studies = [f"1.2.{number}" for number in range(10, 55)]
        records = {study: [site.store.images.get(site.image)] for study in studies}

        def noted(_: FolderSource, study: str, __: str) -> list[Any]:
            asked.append(study)
            return []

        monkeypatch.setattr("sonoloop.service.foreign.images_by_study", lambda _: records)
        monkeypatch.setattr(FolderSource, "instances", noted)
        watch = ForeignWatch(site.store, site.source, "draft")
        for _ in range(3):
            watch.look()

        assert [set(asked[:20]), set(asked[20:40]), set(asked[40:])] == [
            set(studies[:20]),
            set(studies[20:40]),
            {*studies[40:], *studies[:15]},
        ]

    def test_a_study_that_fails_takes_no_turn_of_the_others(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        studies = [f"1.2.{number}" for number in range(10, 55)]
        records = {study: [site.store.images.get(site.image)] for study in studies}

        def failing(_: FolderSource, study: str, __: str) -> list[Any]:
            asked.append(study)
            if study == "1.2.11":
                raise PacsError("the PACS failed: HTTP 500")
            if study == "1.2.31":
                raise StoreError("the disk is full")
            return []

        monkeypatch.setattr("sonoloop.service.foreign.images_by_study", lambda _: records)
        monkeypatch.setattr(FolderSource, "instances", failing)
        watch = ForeignWatch(site.store, site.source, "draft")
        for _ in range(3):
            watch.look()

        assert asked == [*studies, *studies[:15]]

    def test_studies_behind_some_that_fail_have_their_turn_next(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        studies = [f"1.2.{number}" for number in range(10, 20)]
        records = {study: [site.store.images.get(site.image)] for study in studies}

        def away(_: FolderSource, study: str, __: str) -> list[Any]:
            asked.append(study)
            raise PacsError("the PACS is down")

        monkeypatch.setattr("sonoloop.service.foreign.images_by_study", lambda _: records)
        monkeypatch.setattr(FolderSource, "instances", away)
        watch = ForeignWatch(site.store, site.source, "draft")
        watch.look()
        watch.look()

        assert asked == studies[:6]

    def test_what_could_not_be_registered_is_read_again(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.put([(MASK, site.image, 1, 1)])
        site.source.scan(site.store)
        watch = ForeignWatch(site.store, site.source, "draft")

        def full(*_: object) -> None:
            raise StoreError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(site.store.annotations, "save", full)
            watch.look()
        watch.look()

        assert len(site.store.annotations.history(site.image)) == 1

    def test_outlives_a_pacs_that_is_away(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def away(*_: object) -> None:
            raise PacsError("the PACS is down")

        monkeypatch.setattr(FolderSource, "instances", away)
        ForeignWatch(site.store, site.source, "draft").look()

        assert "cannot be looked for: the PACS is down" in caplog.text


@pytest.mark.pacs
def test_they_are_taken_from_a_pacs_too(
    site: Site, orthanc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cine = stable_uid("cine")
    values = MASK.astype(np.uint8) * 3
    site.put([(MASK, site.image, 1, 1)], "1.2.3.1", changes={"ContentCreatorName": "Native^A"})
    site.put([(MASK, cine, 2, 1)], "1.2.3.2", rle=True)
    site.put([(values, cine, 3, None)], "1.2.3.3", bits=8, kind="LABELMAP", segments={3: "mass"})
    for path in site.studies.glob("*.dcm"):
        orthanc.store(path)
    monkeypatch.setenv("SONOLOOP_PACS_USER", orthanc.user)
    monkeypatch.setenv("SONOLOOP_PACS_PASSWORD", orthanc.password)
    with Store.open(tmp_path / "other") as store:
        source = open_source(orthanc.url, tmp_path / "other")
        source.scan(store)
        record = store.images.get(site.image)
        reading = Reading(
            record=record, mask=MASK, state="final", reader="Doe", assessed_at=datetime.now(UTC)
        )
        own = documents_for(source.header(record), reading).all
        source.store(STUDY, [document.data for document in own])
        first = import_segmentations(store, source)
        second = import_segmentations(store, source)
        taken = {
            image: store.annotations.history(image)
            for image in (site.image, f"{cine}_f1", f"{cine}_f2")
        }

        assert (first.seen, first.annotations, first.refused) == (3, 3, [])
        assert (second.annotations, second.known) == (0, 3)
        assert taken[site.image][0].reader == "Native A"
        for (annotation,) in taken.values():
            np.testing.assert_array_equal(store.annotations.mask(annotation), MASK)
