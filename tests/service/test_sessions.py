"""Images that stay outside the store."""

import json
import time
import uuid
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonoloop.errors import ImageReadError, InvalidIdError, InvalidRequestError, NotFoundError
from sonoloop.service.sessions import META, Sessions


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
