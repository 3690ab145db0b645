"""Images that clients add: under one name one image, for good."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoloop.errors import ConflictError, StoreError
from sonoloop.imaging.write_dicom import UltrasoundDicom, write_ultrasound_dicom
from sonoloop.records import ImageRecord
from sonoloop.service.analysis import Analysis
from sonoloop.service.server import Service
from sonoloop.service.sessions import Sessions
from sonoloop.service.uploads import Uploads
from sonoloop.store.store import Store

MakeDicom = Callable[..., bytes]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture
def uploads(store: Store) -> Uploads:
    return Uploads(store)


@pytest.fixture
def dicom(tmp_path: Path) -> MakeDicom:
    """The bytes of a drawn image, or of a cine of so many frames."""

    def making(seed: int, *, frames: int = 1) -> bytes:
        shape = (frames, 40, 60) if frames > 1 else (40, 60)
        pixels = np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)
        told = UltrasoundDicom(
            sop_instance_uid=f"1.2.3.{seed}",
            series_instance_uid="1.2.3",
            study_instance_uid="1.2",
            patient_id="p",
        )
        path = tmp_path / f"{seed}.dcm"
        write_ultrasound_dicom(path, pixels, told, cine=frames > 1)
        return path.read_bytes()

    return making


def kept(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.paths.uploads.iterdir()}


@pytest.mark.parametrize("frames", [(1, 3), (3, 1)])
def test_a_cine_and_an_image_cannot_share_a_name(
    uploads: Uploads, store: Store, dicom: MakeDicom, frames: tuple[int, int]
) -> None:
    first, second = dicom(1, frames=frames[0]), dicom(2, frames=frames[1])
    uploads.add(first, "a.dcm", image_id="case1")

    with pytest.raises(ConflictError, match="image case1 exists already"):
        uploads.add(second, "b.dcm", image_id="case1")

    assert kept(store) == {"case1.dcm": first}
    assert store.images.count() == frames[0]


def test_a_frame_may_not_take_the_name_of_an_image(
    uploads: Uploads, store: Store, dicom: MakeDicom
) -> None:
    single = dicom(1)
    uploads.add(single, "a.dcm", image_id="case1_f2")

    with pytest.raises(ConflictError, match="image case1_f2 exists already"):
        uploads.add(dicom(2, frames=3), "b.dcm", image_id="case1")

    assert kept(store) == {"case1_f2.dcm": single}
    assert store.images.get("case1_f2").frame_count == 1


def test_of_many_at_once_under_one_name_one_is_kept(
    uploads: Uploads, store: Store, dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [dicom(seed) for seed in range(6)]
    register = store.images.upsert_many

    def slowly(records: Sequence[ImageRecord]) -> int:
        time.sleep(0.1)
        return register(records)

    monkeypatch.setattr(store.images, "upsert_many", slowly)

    def add(data: bytes) -> bytes | None:
        try:
            uploads.add(data, "a.dcm", image_id="case1")
        except ConflictError:
            return None
        return data

    with ThreadPoolExecutor(len(files)) as threads:
        acknowledged = [data for data in threads.map(add, files) if data]

    assert len(acknowledged) == 1
    assert kept(store) == {"case1.dcm": acknowledged[0]}


def test_the_same_again_changes_nothing_and_brings_removed_frames_back(
    uploads: Uploads, store: Store, dicom: MakeDicom
) -> None:
    cine = dicom(1, frames=3)
    first = uploads.add(cine, "a.dcm", image_id="case1", info={"told": 1})
    uploads.remove(store.images.get("case1_f2"))

    again = uploads.add(cine, "a.dcm", image_id="case1", info={"told": 2})

    assert again == first
    assert [record.info for record in store.images.list()] == [
        {"told": 1},
        {"told": 1},
        {"told": 2},
    ]
    assert kept(store) == {"case1.dcm": cine}


def test_what_was_never_acknowledged_takes_no_name(
    uploads: Uploads, store: Store, dicom: MakeDicom
) -> None:
    (store.paths.uploads / "case1.dcm").write_bytes(b"of a server that died")

    uploads.add(dicom(1), "a.dcm", image_id="case1")

    assert kept(store) == {"case1.dcm": dicom(1)}


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("broken", ["os.mkdir", "os.replace", "pathlib.Path.write_bytes"])
def test_a_full_disk_is_told_and_nothing_is_left(
    uploads: Uploads,
    store: Store,
    dicom: MakeDicom,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    data = dicom(1)

    def full(*_: Any, **__: Any) -> None:
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(broken, full)
        with pytest.raises(StoreError, match="No space left on device"):
            uploads.add(data, "a.dcm", image_id="case1")
    assert kept(store) == {}

    uploads.add(data, "a.dcm", image_id="case1")

    assert kept(store) == {"case1.dcm": data}


@pytest.mark.parametrize("broken", ["os.mkdir", "os.rename", "pathlib.Path.write_bytes"])
def test_a_full_disk_is_told_to_sessions_too(
    tmp_path: Path, dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    data = dicom(1)

    def full(*_: Any, **__: Any) -> None:
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(broken, full)
        with pytest.raises(StoreError, match="No space left on device"):
            Sessions(folder, max_expiry_s=60).create(data, "a.dcm")

    assert list(folder.iterdir()) == []


def test_a_full_disk_is_told_where_an_image_is_sent_along(
    service: Service, dicom: MakeDicom, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis: Analysis = service.analysis
    data = dicom(1)

    def full(*_: Any, **__: Any) -> None:
        raise FULL

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(StoreError, match="No space left on device"):
        analysis.read(data, "a.dcm")
