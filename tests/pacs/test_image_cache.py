"""Fetched images are kept without identity, not without end, and not in the way of readers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pytest

from sonoloop.errors import ImageReadError, PacsError, StoreError
from sonoloop.imaging.anonymous import is_anonymous
from sonoloop.imaging.read import read_header
from sonoloop.pacs.cache import SPARED_S, ImageCache

SECRET = "ZZPLANTEDZZ"
LATER = SPARED_S + 60


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetch(studies: Path, write_dicom: Callable[..., str]) -> Callable[[str], Callable[..., None]]:
    """Makes what puts an identified instance where it is told to."""

    def of(uid: str) -> Callable[[Path], None]:
        def put(target: Path) -> None:
            write_dicom(f"{uid}.dcm", uid, patient_id=SECRET, patient_name=SECRET)
            target.write_bytes((studies / f"{uid}.dcm").read_bytes())

        return put

    return of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def files_of(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_no_identity_is_left_in_the_cache(
    folder: Path, fetch: Callable[[str], Callable[..., None]]
) -> None:
    path = ImageCache(folder).get("1.2", "1.2.3", fetch("1.2.3"))

    assert files_of(folder) == ["1.2/1.2.3.dcm"]
    assert path == folder / "1.2" / "1.2.3.dcm"
    assert all(SECRET.encode() not in p.read_bytes() for p in folder.rglob("*.dcm"))
    assert read_header(path).identity.patient_id is None
    assert pydicom.dcmread(path).PatientIdentityRemoved == "YES"


def test_what_is_here_is_not_fetched_again(
    folder: Path, fetch: Callable[[str], Callable[..., None]]
) -> None:
    cache = ImageCache(folder)
    first = cache.get("1.2", "1.2.3", fetch("1.2.3"))

    def fails(target: Path) -> None:
        raise AssertionError(target)

    assert cache.get("1.2", "1.2.3", fails) == first


def test_threads_that_want_one_image_fetch_it_once(
    folder: Path, fetch: Callable[[str], Callable[..., None]]
) -> None:
    cache, fetched, begin = ImageCache(folder), [], threading.Barrier(6)

    def put(target: Path) -> None:
        fetched.append(target)
        fetch("1.2.3")(target)

    def ask(_: int) -> Path:
        begin.wait()
        return cache.get("1.2", "1.2.3", put)

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1
    assert len(fetched) == 1


@pytest.mark.parametrize("error", [PacsError("away"), KeyboardInterrupt()])
def test_a_fetch_that_fails_leaves_nothing(folder: Path, error: BaseException) -> None:
    def put(target: Path) -> None:
        target.write_bytes(SECRET.encode())
        raise error

    with pytest.raises(type(error)):
        ImageCache(folder).get("1.2", "1.2.3", put)

    assert files_of(folder) == []


def test_what_cannot_be_read_is_not_kept(folder: Path) -> None:
    def put(target: Path) -> None:
        target.write_bytes(b"\0" * 128 + b"DICM")

    with pytest.raises(ImageReadError, match=r"truncated|malformed"):
        ImageCache(folder).get("1.2", "1.2.3", put)

    assert files_of(folder) == []


def test_a_file_with_identity_is_rebuilt_when_the_server_tidies(
    folder: Path, fetch: Callable[[str], Callable[..., None]]
) -> None:
    old = folder / "1.2" / "1.2.3.dcm"
    old.parent.mkdir(parents=True)
    fetch("1.2.3")(old)
    (folder / "1.2" / "broken.dcm").write_bytes(SECRET.encode())

    ImageCache(folder).tidy()

    assert is_anonymous(old)
    assert files_of(folder) == ["1.2/1.2.3.dcm"]


def test_a_file_with_identity_is_not_handed_out(
    folder: Path, fetch: Callable[[str], Callable[..., None]]
) -> None:
    old = folder / "1.2" / "1.2.3.dcm"
    old.parent.mkdir(parents=True)
    fetch("1.2.3")(old)

    path = ImageCache(folder).get("1.2", "1.2.3", fetch("1.2.3"))

    assert is_anonymous(path)


def test_what_was_not_asked_for_the_longest_goes_first(
    folder: Path, fetch: Callable[[str], Callable[..., None]], clock: Clock
) -> None:
    size = ImageCache(folder, clock=clock).get("1.2", "1.2.1", fetch("1.2.1")).stat().st_size
    cache = ImageCache(folder, limit_bytes=int(3.5 * size), clock=clock)
    for number in range(1, 5):
        clock.now += LATER
        cache.get("1.2", f"1.2.{number}", fetch(f"1.2.{number}"))
    clock.now += LATER
    cache.get("1.2", "1.2.1", fetch("1.2.1"))
    clock.now += LATER

    cache.tidy()

    assert files_of(folder) == ["1.2/1.2.1.dcm", "1.2/1.2.3.dcm", "1.2/1.2.4.dcm"]


def test_what_was_just_asked_for_stays_however_full_it_is(
    folder: Path, fetch: Callable[[str], Callable[..., None]], clock: Clock
) -> None:
    cache = ImageCache(folder, limit_bytes=1, clock=clock)
    cache.get("1.2", "1.2.1", fetch("1.2.1"))

    cache.tidy()
    there = files_of(folder)
    clock.now += LATER
    cache.tidy()

    assert (there, files_of(folder)) == (["1.2/1.2.1.dcm"], [])


def test_what_died_on_its_way_is_removed(folder: Path, clock: Clock) -> None:
    cache = ImageCache(folder, clock=clock)
    cache.tidy()
    (cache.arriving / "left.dcm").write_bytes(SECRET.encode())
    (cache.arriving / ".retrieve-left").mkdir()
    (cache.arriving / ".retrieve-left" / "instance.dcm").write_bytes(SECRET.encode())
    clock.now = (cache.arriving / ".retrieve-left").stat().st_mtime
    cache.tidy()
    spared = files_of(folder)
    clock.now += LATER

    cache.tidy()

    assert (len(spared), list(cache.arriving.iterdir())) == (2, [])


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")

    with pytest.raises(StoreError, match="cannot write"):
        ImageCache(tmp_path / "cache").get("1.2", "1.2.3", lambda target: None)
