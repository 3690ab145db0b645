"""Every route refuses without a token, and with one does for each role what the table says."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import people
from sonoloop.service.accounts import allows
from sonoloop.web.accounts import AccountsRequired
from sonoloop.web.app import create_app
from sonoloop.web.limits import Message, Receive, Scope, Send
from sonoloop.web.roles import OPEN, RULES, TABLE, is_open, rule_of
from walking import address, routes_of


@pytest.fixture(scope="module")
def tokens(shared_site: Any) -> dict[str, str]:
    return people.make_people(shared_site.service)


@pytest.fixture(scope="module")
def routes(shared_site: Any) -> list[tuple[str, str]]:
    found = sorted(set(routes_of(create_app(shared_site.service).routes)))
    assert len(found) > 80
    return found


@pytest.fixture
def nobody(shared_site: Any) -> Iterator[httpx.Client]:
    """A client without a token, and without a cookie that another test was given."""
    with httpx.Client(base_url=shared_site.url, timeout=60) as client:
        yield client


def test_every_route_has_its_rule(routes: list[tuple[str, str]]) -> None:
    without = [
        f"{method} {template}"
        for method, template in routes
        if not is_open(method, address(template)) and rule_of(method, address(template)) is None
    ]

    assert without == [], "routes that web/roles.py gives to no role"


def test_every_rule_has_its_route(routes: list[tuple[str, str]]) -> None:
    ruled = {(rule.method, rule.template) for rule in RULES}
    used = {(rule.method, rule.template) for m, t in routes if (rule := rule_of(m, address(t)))}

    assert ruled - used == set()
    assert len(RULES) == len(ruled) == sum(len(t.strip().splitlines()) for t in TABLE.values())


def test_what_is_open_is_there(nobody: httpx.Client, tokens: dict[str, str]) -> None:
    answers = {(m, p): nobody.request(m, p).status_code for m, p in OPEN}

    assert {status for (method, _), status in answers.items() if method == "GET"} == {200}
    assert {status for (method, _), status in answers.items() if method == "POST"} == {422}


def test_every_route_refuses_without_a_token(
    routes: list[tuple[str, str]], nobody: httpx.Client, tokens: dict[str, str]
) -> None:
    asked = [(m, address(t)) for m, t in routes if not is_open(m, address(t))]

    for method, path in asked:
        for headers in ({}, people.bearer("none"), {"cookie": "sonoloop=none"}):
            answer = nobody.request(method, path, headers=headers)
            assert answer.status_code == 401, f"{method} {path}"
            assert method == "HEAD" or answer.json()["code"] == "authentication"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/", "/nothing", "/static/look.js", "/ohif/index.html"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PATCH", "PROPFIND"])
def test_what_there_is_not_and_other_methods_refuse_too(
    nobody: httpx.Client, tokens: dict[str, str], method: str, path: str
) -> None:
    assert nobody.request(method, path).status_code == 401


@pytest.mark.parametrize(
    "path", ["//login", "/login/", "/login/../logs/", "/auth/%2e%2e/logs/", "/static//login.js"]
)
def test_roundabout_addresses_open_nothing(
    shared_site: Any, tokens: dict[str, str], path: str
) -> None:
    host, port = shared_site.url.removeprefix("http://").split(":")

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        status = await reader.readline()
        writer.close()
        return status

    assert b" 401 " in asyncio.run(ask())


class Beyond:
    """Notes who comes through, in the place of the application."""

    def __init__(self) -> None:
        self.reached = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached = True
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def status_of(site: Any, token: str, method: str, path: str) -> tuple[bool, int]:
    beyond, sent = Beyond(), []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    asyncio.run(AccountsRequired(beyond, site.service.accounts)(scope, receive, send))
    return beyond.reached, int(sent[0]["status"])


@pytest.mark.parametrize(("name", "role"), people.PEOPLE.items())
def test_each_role_reaches_what_the_table_says(
    shared_site: Any, tokens: dict[str, str], name: str, role: Any
) -> None:
    for rule in RULES:
        path = address(rule.template)
        found = status_of(shared_site, tokens[name], rule.method, path)
        wanted = (True, 204) if allows(role, rule.role) else (False, 403)
        assert found == wanted, f"{rule.method} {path}"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/datastore/updatelabelinfo", 405),
        ("PUT", "/model/segmentation", 405),
        ("GET", "/loginx", 404),
        ("PATCH", "/info/", 405),
    ],
)
def test_what_the_table_does_not_name_is_reached_by_nobody(
    shared_site: Any, tokens: dict[str, str], method: str, path: str, status: int
) -> None:
    assert status_of(shared_site, tokens["ed"], method, path) == (False, status)


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/info/", "annotator"),
        ("PUT", "/datastore/label", "annotator"),
        ("POST", "/sonoloop/skips", "annotator"),
        ("POST", "/sonoloop/reviews/7", "reviewer"),
        ("PUT", "/sonoloop/adjudication", "reviewer"),
        ("POST", "/sonoloop/assignments", "reviewer"),
        ("PUT", "/datastore/label/info", "reviewer"),
        ("POST", "/train/segmentation", "engineer"),
        ("POST", "/sonoloop/models/segmentation/publish", "engineer"),
        ("GET", "/logs/", "engineer"),
        ("DELETE", "/datastore/label", "engineer"),
        ("GET", "/datastore/dataset", "engineer"),
        ("POST", "/sonoloop/outbox/retry", "engineer"),
    ],
)
def test_the_table_is_the_one_that_was_agreed(method: str, path: str, least: str) -> None:
    rule = rule_of(method, path)

    assert rule is not None
    assert rule.role == least


def test_a_refusal_names_the_role_and_is_an_event(shared_site: Any, tokens: dict[str, str]) -> None:
    answer = httpx.get(f"{shared_site.url}/logs/", headers=people.bearer(tokens["anna"]))

    assert answer.status_code == 403
    assert answer.json() == {
        "detail": "anna is annotator, and this takes a role of engineer "
        "(ask who looks after the server)",
        "code": "forbidden",
    }
    [event, *_] = shared_site.service.store.events.list(kind="access_refused", actor="anna")
    assert event.details["role"] == "annotator"
