"""Logging in by cookie and by token, and what the server does with it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from monailabel.client.client import MONAILabelClientException
from starlette.testclient import TestClient

import people
from sonoloop.errors import StoreError
from sonoloop.web.app import create_app

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def tokens(shared_site: Any) -> dict[str, str]:
    return people.make_people(shared_site.service)


@pytest.fixture
def browser(shared_site: Any, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    """Keeps cookies, and nobody is logged in."""
    with httpx.Client(base_url=shared_site.url, timeout=60) as client:
        yield client


def of(site: Any, token: str) -> httpx.Client:
    return httpx.Client(base_url=site.url, headers=people.bearer(token), timeout=60)


class TestWithoutAccounts:
    def test_everything_is_as_it_was(self, site: Any) -> None:
        assert site.http.get("/auth/").json() == {"enabled": False}
        me = site.http.get("/auth/me").json()
        assert me == {"accounts": False, "name": None, "role": None}
        assert site.http.get("/info/", headers=people.bearer("whatever")).status_code == 200
        assert site.http.get("/auth/token/valid").status_code == 401
        assert people.log_in(site.http, "anna").status_code == 409

    def test_the_first_account_closes_the_door_at_once(self, site: Any) -> None:
        assert site.http.get("/info/").status_code == 200

        people.make_people(site.service)

        assert site.http.get("/info/").status_code == 401
        assert site.http.get("/auth/").json() == {"enabled": True}


class TestCookie:
    def test_it_answers_for_pages_pictures_and_events(
        self, shared_site: Any, browser: httpx.Client
    ) -> None:
        answer = people.log_in(browser, "Anna")

        assert answer.json() == {"name": "anna", "role": "annotator"}
        assert browser.get("/auth/me").json() == {
            "accounts": True,
            "name": "anna",
            "role": "annotator",
        }
        assert browser.get("/", headers=PAGE).status_code == 200
        picture = browser.get(f"/datastore/image?image={shared_site.ids[0]}&format=png")
        assert picture.content.startswith(b"\x89PNG")
        with browser.stream("GET", "/sonoloop/board/stream") as events:
            lines = events.iter_lines()
            assert any(line == "event: board" for line in lines)

    def test_scripts_other_sites_and_caches_do_not_get_at_it(self, browser: httpx.Client) -> None:
        answer = people.log_in(browser, "anna")

        cookie = answer.headers["set-cookie"]
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= parts
        assert "secure" not in parts  # it came by http
        assert 12 * 3600 - 5 <= int(next(p for p in parts if "max-age" in p)[8:]) <= 12 * 3600
        assert answer.headers["cache-control"] == "no-store"

    def test_logging_out_ends_it_and_takes_it_away(self, browser: httpx.Client) -> None:
        people.log_in(browser, "anna")
        kept = browser.cookies["sonoloop"]

        assert browser.post("/auth/logout").json() == {"logged_out": True}

        assert "sonoloop" not in browser.cookies
        assert browser.get("/info/", headers={"cookie": f"sonoloop={kept}"}).status_code == 401

    def test_what_is_answered_stays_out_of_shared_caches(
        self, shared_site: Any, tokens: dict[str, str]
    ) -> None:
        with of(shared_site, tokens["anna"]) as anna:
            image = anna.get(f"/datastore/image?image={shared_site.ids[0]}")
            script = anna.get("/static/look.js")

        assert image.headers["cache-control"] == "private"
        assert script.headers["cache-control"] == "no-cache"

    @pytest.mark.parametrize(
        "headers",
        [
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "http://127.0.0.1:1"},
            {"origin": "http://elsewhere.example"},
            {"origin": "null"},
        ],
    )
    def test_pages_of_others_cannot_use_it_to_change_anything(
        self, shared_site: Any, browser: httpx.Client, headers: dict[str, str]
    ) -> None:
        people.log_in(browser, "anna")
        body = {"image": shared_site.ids[0], "reader": "anna", "reason": "none"}

        answer = browser.post("/sonoloop/skips", json=body, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
        other = browser.post(
            "/auth/login", json={"username": "ed", "password": ""}, headers=headers
        )
        assert other.status_code == 403  # nor log a reader in as somebody else

    @pytest.mark.parametrize("headers", [{"sec-fetch-site": "same-origin"}, {"origin": "own"}, {}])
    def test_pages_of_ours_can(
        self, shared_site: Any, browser: httpx.Client, headers: dict[str, str]
    ) -> None:
        people.log_in(browser, "anna")
        own = {"origin": shared_site.url} if "origin" in headers else headers

        answer = browser.post("/activelearning/first", json={}, headers=own)

        assert answer.json()["sonoloop"]["reader"] == "anna"

    def test_a_token_that_is_told_needs_no_page(
        self, shared_site: Any, tokens: dict[str, str]
    ) -> None:
        with of(shared_site, tokens["anna"]) as anna:
            answer = anna.post("/activelearning/first", headers={"sec-fetch-site": "same-site"})

        assert answer.status_code == 200


class TestPages:
    def test_a_browser_is_sent_to_the_login_and_told_what_it_wanted(
        self, browser: httpx.Client
    ) -> None:
        wanted = "/ohif/sonoloop?StudyInstanceUIDs=1.2.3&frame=2"

        answer = browser.get(wanted, headers=PAGE)

        assert answer.status_code == 303
        login = urlsplit(answer.headers["location"])
        assert (login.netloc, login.path) == ("", "/login")
        assert parse_qs(login.query)["next"] == [wanted]
        assert answer.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize(
        "headers",
        [
            {"accept": "*/*"},
            {**PAGE, "sec-fetch-mode": "no-cors"},
            {**PAGE, "sec-fetch-mode": "cors"},
            {},
        ],
    )
    def test_whoever_wants_no_page_is_refused_in_a_sentence(
        self, browser: httpx.Client, headers: dict[str, str]
    ) -> None:
        answer = browser.get("/look", headers=headers)

        assert answer.status_code == 401
        assert answer.json()["detail"].startswith("log in first")

    def test_the_login_keeps_the_policy_of_the_pages(self, browser: httpx.Client) -> None:
        answer = browser.get("/login?next=/look", headers=PAGE)

        assert answer.status_code == 200
        assert "form-action 'none'" in answer.headers["content-security-policy"]
        assert "script-src 'self'" in answer.headers["content-security-policy"]


class TestToken:
    def test_it_is_given_for_name_and_password_as_a_form(self, browser: httpx.Client) -> None:
        form = {"username": "anna", "password": people.PASSWORD, "grant_type": "password"}

        told = browser.post("/auth/token", data=form).json()

        assert (told["token_type"], set(told)) == (
            "bearer",
            {"access_token", "token_type", "expires_in"},
        )
        valid = browser.get("/auth/token/valid", headers=people.bearer(told["access_token"]))
        assert valid.json() == {
            "username": "anna",
            "email": None,
            "name": "anna",
            "roles": ["annotator"],
        }

    @pytest.mark.parametrize("name", ["anna", "nobody"])
    def test_a_wrong_password_and_an_unknown_name_are_the_same(
        self, browser: httpx.Client, name: str
    ) -> None:
        answer = browser.post("/auth/token", data={"username": name, "password": "wrong"})

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json() == {
            "detail": "name or password is wrong, or the account is disabled",
            "code": "authentication",
        }

    @pytest.mark.parametrize(
        ("path", "sent"),
        [
            ("/auth/login", {"json": {"username": "anna", "password": people.PASSWORD * 99}}),
            ("/auth/login", {"json": {"username": people.PASSWORD * 99, "password": "x"}}),
            ("/auth/login", {"json": {"username": "anna", "password": {"p": people.PASSWORD}}}),
            ("/auth/login", {"json": {"username": "anna", "passwort": people.PASSWORD}}),
            ("/auth/login", {"json": people.PASSWORD}),
            ("/auth/login", {"content": f'{{"password": "{people.PASSWORD}"'}),
            ("/auth/token", {"data": {"username": "anna", "password": people.PASSWORD * 99}}),
        ],
    )
    def test_a_malformed_log_in_is_not_quoted(
        self, browser: httpx.Client, path: str, sent: dict[str, Any]
    ) -> None:
        answer = browser.post(path, **sent)

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert people.PASSWORD not in answer.text

    def test_a_log_in_that_is_too_large_is_not_read(self, browser: httpx.Client) -> None:
        form = {"username": "anna", "password": "x" * 100_000}

        assert browser.post("/auth/token", data=form).status_code == 413

    def test_monai_labels_client_works_with_it(
        self, shared_site: Any, tokens: dict[str, str], label_file: Callable[..., Any]
    ) -> None:
        client = type(shared_site.client)(shared_site.url, tmpdir=shared_site.client._tmpdir)
        assert client.auth_enabled()
        with pytest.raises(MONAILabelClientException, match="Status: 401"):
            client.info()

        client.update_auth(client.auth_token("anna", people.PASSWORD))

        assert client.auth_valid_token()
        assert client.info()["labels"] == ["lesion"]
        sample = client.next_sample("first", {})
        mask, _ = client.infer("lesion", sample["id"], {"result_extension": ".png"})
        reply = client.save_label(sample["id"], mask, params={"reader": "somebody else"})
        assert reply["revision"] == 1
        [kept] = shared_site.service.store.annotations.history(sample["id"])
        assert kept.reader == "anna"
        with pytest.raises(MONAILabelClientException, match="Status: 403"):
            client.train_start("segmentation", {})

    def test_a_large_upload_of_nobody_is_answered(
        self, shared_site: Any, tokens: dict[str, str], tmp_path: Any
    ) -> None:
        client = type(shared_site.client)(shared_site.url, tmpdir=str(tmp_path))
        large = tmp_path / "large.png"
        large.write_bytes(bytes(30 * 2**20))

        with pytest.raises(MONAILabelClientException, match="Status: 401"):
            client.upload_image(str(large), "large")

    def test_other_schemes_are_left_to_the_proxy(
        self, shared_site: Any, browser: httpx.Client
    ) -> None:
        people.log_in(browser, "anna")

        assert browser.get("/info/", auth=("proxy", "its password")).status_code == 200
        assert browser.get("/info/", headers=people.bearer("stale")).status_code == 401


class TestGuessing:
    def test_is_told_when_to_try_again(
        self, make_site: Callable[..., AbstractContextManager[Any]]
    ) -> None:
        with make_site() as site:
            people.make_people(site.service)
            wrong = [people.log_in(site.http, "anna", "wrong").status_code for _ in range(5)]
            answer = people.log_in(site.http, "anna")

            assert wrong == [401] * 5
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
            assert answer.headers["retry-after"] == "1"


class TestBehindAProxy:
    def client(self, site: Any, *, behind_proxy: bool) -> TestClient:
        app = create_app(site.service, behind_proxy=behind_proxy)
        return TestClient(app, base_url="http://inside", client=("10.0.0.1", 5))

    FORWARDED = {  # noqa: RUF012 - constant
        "x-forwarded-for": "203.0.113.9, 198.51.100.4",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "sonoloop.example",
        "origin": "https://sonoloop.example",
    }

    def test_it_is_believed_where_the_operator_vouches_for_it(
        self, shared_site: Any, tokens: dict[str, str]
    ) -> None:
        body = {"username": "anna", "password": people.PASSWORD}
        client = self.client(shared_site, behind_proxy=True)

        answer = client.post("/auth/login", json=body, headers=self.FORWARDED)

        assert "secure" in answer.headers["set-cookie"].lower()
        [event] = shared_site.service.store.events.list(kind="log_in", limit=1)
        assert event.details["address"] == "198.51.100.4"  # what the proxy itself wrote

    def test_it_is_not_believed_elsewhere(self, shared_site: Any, tokens: dict[str, str]) -> None:
        body = {"username": "anna", "password": people.PASSWORD}
        client = self.client(shared_site, behind_proxy=False)

        strange = client.post("/auth/login", json=body, headers=self.FORWARDED)
        headers = {k: v for k, v in self.FORWARDED.items() if k != "origin"}
        answer = client.post("/auth/login", json=body, headers=headers)

        assert strange.status_code == 403
        assert "secure" not in answer.headers["set-cookie"].lower()
        [event] = shared_site.service.store.events.list(kind="log_in", limit=1)
        assert event.details["address"] == "10.0.0.1"


class TestEndOfALogIn:
    def test_a_stream_ends_when_its_reader_is_gone(self, site: Any) -> None:
        tokens = people.make_people(site.service)
        headers = people.bearer(tokens["anna"])

        with site.http.stream("GET", "/sonoloop/board/stream", headers=headers) as events:
            lines = events.iter_lines()
            next(line for line in lines if line == "event: board")
            site.service.store.accounts.set_disabled("anna", True, actor="it")
            rest = list(lines)  # ends by itself

        assert sum(line.startswith("event: board") for line in rest) == 0
        assert site.http.get("/info/", headers=headers).status_code == 401

    def test_another_role_holds_for_the_next_request(self, site: Any) -> None:
        tokens = people.make_people(site.service)
        headers = people.bearer(tokens["anna"])
        assert site.http.get("/logs/", headers=headers).status_code == 403

        site.service.store.accounts.set_role("anna", "engineer", actor="it")

        assert site.http.get("/logs/", headers=headers).status_code == 200


def failing(*_: object, **__: object) -> None:
    raise StoreError("the database failed: database is locked")


class TestWhileTheDatabaseFails:
    def test_nobody_is_let_in_and_everybody_is_told_to_try_again(
        self, site: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = people.bearer(people.make_people(site.service)["anna"])
        monkeypatch.setattr(site.service.store.accounts, "holder", failing)

        answer = site.http.get("/info/", headers=headers)

        assert answer.status_code == 503
        assert answer.json() == {
            "detail": "the database failed: database is locked",
            "code": "store",
        }
        assert answer.headers["retry-after"] == "2"

    def test_it_is_unknown_whether_there_are_accounts(
        self, site: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(site.service.store.accounts, "any", failing)
        site.service.accounts._looked = None

        assert site.http.get("/info/").status_code == 503

    def test_a_refusal_stays_one_and_is_kept_the_next_time(
        self, site: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = people.bearer(people.make_people(site.service)["anna"])
        with monkeypatch.context() as patch:
            patch.setattr(site.service.store.events, "append", failing)
            assert site.http.get("/logs/", headers=headers).status_code == 403

        assert site.http.get("/logs/", headers=headers).status_code == 403

        assert len(site.service.store.events.list(kind="access_refused")) == 1

    def test_a_stream_ends(self, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        headers = people.bearer(people.make_people(site.service)["anna"])

        with site.http.stream("GET", "/sonoloop/board/stream", headers=headers) as events:
            lines = events.iter_lines()
            next(line for line in lines if line == "event: board")
            monkeypatch.setattr(site.service.store.accounts, "holder", failing)
            site.service.accounts._known.clear()
            site.service.store.events.append("log_out", actor="anna", details={})
            site.service.info.touch()
            rest = list(lines)  # ends by itself, and whole

        assert sum(line.startswith("event: board") for line in rest) == 0


def test_a_refusal_that_waits_for_the_database_holds_up_nobody(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = people.bearer(people.make_people(site.service)["anna"])
    writing, written = threading.Event(), threading.Event()

    def waits(*_: object, **__: object) -> None:
        writing.set()
        assert written.wait(60)

    monkeypatch.setattr(site.service.store.events, "append", waits)
    with ThreadPoolExecutor(1) as threads:
        refused = threads.submit(httpx.get, f"{site.url}/logs/", headers=headers, timeout=60)
        assert writing.wait(20)
        try:
            answer = httpx.get(f"{site.url}/auth/", timeout=10)
        finally:
            written.set()

    assert answer.json() == {"enabled": True}
    assert refused.result().status_code == 403


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://a]b", "null"])
def test_an_origin_that_is_no_address_is_that_of_a_stranger(
    shared_site: Any, tokens: dict[str, str], origin: str
) -> None:
    body = {"username": "anna", "password": people.PASSWORD}

    answer = httpx.post(f"{shared_site.url}/auth/login", json=body, headers={"origin": origin})

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


def test_the_slicer_sequence_works_with_a_token(site: Any, label_file: Callable[..., Any]) -> None:
    people.make_people(site.service)
    client = site.client
    client.update_auth(client.auth_token("anna", people.PASSWORD))

    info = client.info()
    sample = client.next_sample("first", {})
    headers = {"authorization": client._headers["Authorization"]}
    picture = httpx.get(f"{site.url}/datastore/image?image={sample['id']}", headers=headers)
    _, params = client.infer("lesion", sample["id"], {"result_extension": ".nrrd"})
    saved = client.save_label(
        sample["id"],
        str(label_file(site.lesion)),
        params={"label_info": [{"name": "lesion", "idx": 1}]},
    )

    assert not info.get("config")
    assert picture.status_code == 200
    assert params["label_names"] == {"lesion": 1}
    assert saved["image"] == sample["id"]
    assert "final" in client.datastore()["objects"][sample["id"]]["labels"]
    assert not client.train_status(check_if_running=True)
    client._headers.clear()
    with pytest.raises(MONAILabelClientException, match="Status: 401"):
        client.next_sample("first", {})
