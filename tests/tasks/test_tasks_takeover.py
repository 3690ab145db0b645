"""Our routes in the place of MONAI Label's."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.testclient import TestClient

from sonoloop.service.server import Service
from sonoloop.web.takeover import take_over


@pytest.fixture
def theirs() -> FastAPI:
    """A server that lets every site read, and has routes of its own."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)

    @app.get("/proxy/dicom")
    def proxy() -> dict[str, Any]:
        return {}

    @app.post("/reload")
    def reload() -> dict[str, Any]:
        return {}

    return app


def client_of(app: FastAPI, address: str = "127.0.0.1") -> TestClient:
    return TestClient(app, client=(address, 50000), raise_server_exceptions=False)


def test_our_routes_answer(theirs: FastAPI, service: Service) -> None:
    take_over(theirs, service, behind_proxy=False)

    assert client_of(theirs).get("/info/").json()["datastore"]["total"] == 8


@pytest.mark.parametrize(("method", "path"), [("GET", "/proxy/dicom"), ("POST", "/reload")])
def test_their_routes_are_off(theirs: FastAPI, service: Service, method: str, path: str) -> None:
    assert client_of(theirs).request(method, path).status_code == 200

    take_over(theirs, service, behind_proxy=False)

    assert client_of(theirs).request(method, path).status_code == 404


def test_pages_of_other_sites_may_not_read(theirs: FastAPI, service: Service) -> None:
    take_over(theirs, service, behind_proxy=False)

    answer = client_of(theirs).get("/info/", headers={"origin": "http://elsewhere.example"})

    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_answered(theirs: FastAPI, service: Service, address: str) -> None:
    take_over(theirs, service, behind_proxy=False)

    assert client_of(theirs, address).get("/info/").status_code == 200


@pytest.mark.parametrize("address", ["192.168.1.7", "8.8.8.8", "::ffff:10.0.0.1", "somewhere"])
def test_other_machines_are_refused(theirs: FastAPI, service: Service, address: str) -> None:
    take_over(theirs, service, behind_proxy=False)

    answer = client_of(theirs, address).get("/info/")

    assert answer.status_code == 403
    assert "the server has no accounts" in answer.json()["detail"]


def test_with_accounts_other_machines_are_answered_when_they_log_in(
    theirs: FastAPI, service: Service
) -> None:
    take_over(theirs, service, behind_proxy=False)
    service.accounts.add("anna", "annotator", "twelve quiet sheep", actor="it")
    token, _ = service.accounts.make_token("anna", "test", days=1, actor="it")
    client = client_of(theirs, "192.168.1.7")

    refused, answered = (
        client.get("/info/", headers=headers)
        for headers in ({}, {"authorization": f"Bearer {token}"})
    )

    assert (refused.status_code, answered.status_code) == (401, 200)


def test_behind_a_proxy_every_address_is_answered(theirs: FastAPI, service: Service) -> None:
    take_over(theirs, service, behind_proxy=True)

    assert client_of(theirs, "192.168.1.7").get("/info/").status_code == 200
