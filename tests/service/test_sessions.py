"""Images that stay outside the store."""

import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sonoloop.errors import (
    ImageReadError,
    InvalidIdError,
    InvalidRequestError,
    NotFoundError,
    StoreError,
)
from sonoloop.service import sessions as module
from sonoloop.service.sessions import META, Session, Sessions


def png(value: int = 7) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.full((40, 50), value, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path, max_expiry_s=100)


@pytest.fixture
def age(tmp_path: Path) -> Callable[[str, float], None]:
    """Has a session look as if nobody had touched it for so many seconds."""

    def ageing(session_id: str, seconds: float) -> None:
        path = tmp_path / session_id / META
        values = json.loads(path.read_text())
        path.write_text(json.dumps(values | {"touched": time.time() - seconds}))

    return ageing


def test_a_session_gives_its_image_back(sessions: Sessions) -> None:
    session = sessions.create(png(9), "some/where/mine.PNG", expiry_s=50)

    assert sessions.get(session.session_id) == session
    assert (session.image, session.expiry) == ("image.png", 50)
    assert sessions.load(session).pixels[0, 0] == 9


def test_nobody_gets_more_time_than_the_server_allows(sessions: Sessions) -> None:
    assert sessions.create(png(), "a.png", expiry_s=10**6).expiry == 100
    with pytest.raises(InvalidRequestError, match="expiry must be at least 0"):
        sessions.create(png(), "a.png", expiry_s=-1)


def test_a_session_that_nobody_touches_expires_and_is_removed(
    sessions: Sessions, age: Callable[[str, float], None], tmp_path: Path
) -> None:
    old, kept = sessions.create(png(), "a.png"), sessions.create(png(), "a.png")
    for session in (old, kept):
        age(session.session_id, 99)
    sessions.get(kept.session_id, touch=True)
    age(old.session_id, 101)

    with pytest.raises(NotFoundError, match="unknown or expired session"):
        sessions.get(old.session_id)
    assert sessions.remove_expired() == 1

    assert [path.name for path in tmp_path.iterdir()] == [kept.session_id]


@pytest.mark.parametrize("text", ["", "..", "../x", "a/b", "x" * 500, str(uuid.uuid4()).upper()])
def test_what_is_no_session_id_is_refused(sessions: Sessions, text: str) -> None:
    with pytest.raises(InvalidIdError, match="not a session id"):
        sessions.get(text)


def test_what_is_no_image_leaves_nothing(sessions: Sessions, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="neither DICOM"):
        sessions.create(b"no image", "evil.exe")

    assert list(tmp_path.iterdir()) == []


def test_a_removed_session_is_gone(sessions: Sessions, tmp_path: Path) -> None:
    session = sessions.create(png(), "a.png")

    assert sessions.remove(session.session_id) == session

    assert list(tmp_path.iterdir()) == []


def test_a_session_that_is_removed_while_it_is_touched_is_gone(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions.create(png(), "a.png")
    rmtree = shutil.rmtree
    told: list[type[Exception]] = []

    def touched_meanwhile(path: Path, **options: Any) -> None:
        try:
            sessions.get(session.session_id, touch=True)
        except NotFoundError as error:
            told.append(type(error))
        rmtree(path, **options)

    monkeypatch.setattr(shutil, "rmtree", touched_meanwhile)
    sessions.remove(session.session_id)

    assert told == [NotFoundError]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_being_made_is_removed_too(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions.create(png(), "a.png")
    rmtree = shutil.rmtree

    def written_meanwhile(path: Path, **options: Any) -> None:
        monkeypatch.undo()
        rmtree(path, **options)
        path.mkdir()
        (path / ".part").touch()

    monkeypatch.setattr(shutil, "rmtree", written_meanwhile)
    sessions.remove(session.session_id)

    assert list(tmp_path.iterdir()) == []


def test_what_comes_too_late_finds_no_session(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_expired = module._has_expired

    def removed_meanwhile(session: Session) -> bool:
        monkeypatch.undo()
        sessions.remove(session.session_id)
        return has_expired(session)

    for late in (partial(sessions.get, touch=True), sessions.remove):
        session = sessions.create(png(), "a.png")
        monkeypatch.setattr(module, "_has_expired", removed_meanwhile)

        with pytest.raises(NotFoundError, match="unknown or expired session"):
            late(session.session_id)


def test_a_touch_on_a_full_disk_is_told(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions.create(png(), "a.png")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)

    with pytest.raises(StoreError, match="No space left on device"):
        sessions.get(session.session_id, touch=True)


KNOWN: dict[str, Any] = {
    "session_id": "x",
    "image": "i",
    "created": 1,
    "touched": 1,
    "expiry": 1,
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(KNOWN | {"colour": "of a newer program"}),
        json.dumps(KNOWN | {"touched": None}),
        json.dumps(KNOWN | {"expiry": float("inf")}),
        json.dumps(KNOWN | {"spacing_mm": 1}),
        json.dumps(KNOWN | {"flags": ["of a newer program"]}),
        "{}",
        "[]",
        "null",
        "\ud800",
        "{torn",
    ],
)
def test_what_another_program_wrote_is_no_session_and_goes_in_its_time(
    sessions: Sessions, tmp_path: Path, text: str
) -> None:
    strange = str(uuid.uuid4())
    folder = tmp_path / strange
    folder.mkdir()
    (folder / META).write_bytes(text.encode(errors="surrogatepass"))

    with pytest.raises(NotFoundError, match="unknown or expired session"):
        sessions.get(strange)
    assert sessions.remove_expired() == 0
    os.utime(folder, (1, 1))

    assert sessions.remove_expired() == 1
    assert list(tmp_path.iterdir()) == []
