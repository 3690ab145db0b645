"""What docs/accounts.md shows does what it says."""

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import people

DOCS = Path(__file__).parents[2] / "docs" / "accounts.md"


@pytest.fixture
def slicerrc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Runs the lines of the document for a host and a token; afterwards all is as before."""
    [lines] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    before = urllib.request._opener  # type: ignore[attr-defined]

    def run(host: str, token: str) -> None:
        told = lines.replace("sonoloop.example.org", host).replace("the token", token)
        exec(compile(told, str(DOCS), "exec"), {})  # noqa: S102 - ours

    yield run
    urllib.request._opener = before  # type: ignore[attr-defined]


def test_slicer_fetches_pictures_with_the_token_of_the_document(
    shared_site: Any, slicerrc: Callable[[str, str], None], tmp_path: Path
) -> None:
    token = people.make_people(shared_site.service)["anna"]
    address = f"{shared_site.url}/datastore/image?image={shared_site.ids[0]}"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlretrieve(address, tmp_path / "refused.nrrd")

    slicerrc(shared_site.url.removeprefix("http://"), token)
    urllib.request.urlretrieve(address, tmp_path / "image.nrrd")

    assert (tmp_path / "image.nrrd").read_bytes().startswith(b"NRRD")


def test_the_token_of_the_document_goes_to_no_other_host(
    make_site: Callable[..., AbstractContextManager[Any]],
    slicerrc: Callable[[str, str], None],
    tmp_path: Path,
) -> None:
    with make_site() as other:
        token = people.make_people(other.service)["anna"]  # it would be good there too

        slicerrc("sonoloop.example.org", token)

        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlretrieve(f"{other.url}/info/", tmp_path / "info")


def test_every_role_and_every_route_of_logging_in_is_told() -> None:
    told = DOCS.read_text()

    rows = re.findall(r"^\| `(\w+)` \| ", told, re.MULTILINE)
    assert [row for row in rows if row in people.ROLES] == list(people.ROLES)
    for route in ("GET /auth/", "POST /auth/token", "GET /auth/token/valid", "GET /auth/me"):
        assert f"| `{route}` |" in told
