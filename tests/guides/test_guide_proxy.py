"""The reverse proxy of the IT guide: nginx takes that configuration and passes on what it must."""

import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from chaos_site import ship_models
from fakes import fake_worker, load_threshold
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.web.app import create_app
from sonoloop.web.launch import bind

GUIDED = Path(__file__).parents[2] / "docs" / "nginx" / "sonoloop.conf"
NAME = "sonoloop.example.org"
PASSWORD = "correct horse battery"
WHOLE = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  gzip on;
  include {folder}/sonoloop.conf;
}}
"""

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is not installed"
)


@dataclass(frozen=True)
class Front:
    """nginx in front of a server.

    Attributes:
        ports: Of http and https.
    """

    service: Service
    ports: tuple[int, int]
    certificate: Path

    def client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.ports[1]}",
            headers={"host": NAME},
            verify=False,  # noqa: S501 - the certificate was made for this test
            timeout=30,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, int]]:
    """A server that was told of a proxy, with one image and one account."""
    folder = tmp_path_factory.mktemp("backend")
    (folder / "studies").mkdir()
    Image.fromarray(np.full((40, 60), 90, np.uint8)).save(folder / "studies" / "one.png")
    ship_models(folder / "shipped")
    service = Service.open(
        str(folder / "studies"),
        folder / "workspace",
        ServerSettings(rescan_s=0),
        PipelineSettings(),
        shipped_models=folder / "shipped",
        load_pipeline=load_threshold,
        command=fake_worker,
    )
    with service, bind("127.0.0.1", 0) as listener:
        service.accounts.add("anna", "engineer", PASSWORD, actor="test")
        app = create_app(service, behind_proxy=True)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, proxy_headers=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield service, listener.getsockname()[1]
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def front(
    backend: tuple[Service, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """The proxy, with ports and certificate of this machine; all else as in the guide."""
    folder = tmp_path_factory.mktemp("nginx")
    service, port = backend
    http, https = free_port(), free_port()
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={NAME}", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    text = GUIDED.read_text()
    for old, new in (
        ("127.0.0.1:8000", f"127.0.0.1:{port}"),
        ("/etc/ssl/sonoloop/fullchain.pem", str(certificate)),
        ("/etc/ssl/sonoloop/key.pem", str(key)),
        ("listen 80;", f"listen 127.0.0.1:{http};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{https} ssl http2;"),
    ):
        assert old in text
        text = text.replace(old, new)
    text = re.sub(r"listen \[::\][^;]*;", "", text)
    (folder / "sonoloop.conf").write_text(text)
    (folder / "nginx.conf").write_text(WHOLE.format(folder=folder))
    process = subprocess.Popen(
        [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "stderr").open("w"),
    )
    made = Front(service, (http, https), certificate)
    try:
        deadline = time.monotonic() + 20
        while not _answers(https):
            assert process.poll() is None, (folder / "stderr").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield made
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def inside(front: Front) -> Iterator[httpx.Client]:
    """A client that is logged in."""
    with front.client() as client:
        reply = client.post(
            "/auth/login",
            json={"username": "anna", "password": PASSWORD},
            headers={"origin": f"https://{NAME}", "sec-fetch-site": "same-origin"},
        )
        assert reply.status_code == 200, reply.text
        # The client knows the server by its address, the cookie is for its name.
        client.headers["authorization"] = f"Bearer {token_in(reply)}"
        client.headers["x-cookie"] = reply.headers["set-cookie"]
        yield client


def token_in(reply: httpx.Response) -> str:
    return reply.headers["set-cookie"].partition("=")[2].partition(";")[0]


def test_plain_http_is_sent_to_https(front: Front) -> None:
    reply = httpx.get(f"http://127.0.0.1:{front.ports[0]}/look", headers={"host": NAME})

    assert reply.status_code == 301
    assert reply.headers["location"] == f"https://{NAME}/look"


def test_cookies_are_for_https_alone(inside: httpx.Client) -> None:
    cookie = inside.headers["x-cookie"].lower()

    assert all(word in cookie for word in ("secure", "httponly", "samesite=strict"))


def test_headers_of_the_server_arrive_and_browsers_are_held_to_https(inside: httpx.Client) -> None:
    reply = inside.get("/")

    assert reply.status_code == 200
    assert reply.headers["strict-transport-security"] == "max-age=31536000"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_what_a_client_claims_of_its_address_is_not_believed(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    known: Callable[..., Any] = front.service.accounts.log_in

    def listening(name: str, password: str, *, address: str) -> Any:
        heard.append(address)
        return known(name, password, address=address)

    monkeypatch.setattr(front.service.accounts, "log_in", listening)
    with front.client() as client:
        client.post(
            "/auth/token",
            data={"username": "anna", "password": PASSWORD},
            headers={"x-forwarded-for": "8.8.8.8"},
        )

    assert heard == ["127.0.0.1"]


def test_pages_of_other_sites_are_refused(front: Front) -> None:
    with front.client() as client:
        reply = client.post(
            "/auth/login",
            json={"username": "anna", "password": PASSWORD},
            headers={"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"},
        )

    assert (reply.status_code, reply.json()["code"]) == (403, "cross_site")


@pytest.mark.parametrize(("megabytes", "status"), [(3, 422), (205, 413), (215, 413)])
def test_large_files_pass_as_far_as_the_server_takes_them(
    inside: httpx.Client, megabytes: int, status: int
) -> None:
    files = {"files": ("large.dcm", bytes(megabytes * 2**20))}

    reply = inside.put("/session/", files=files)

    assert reply.status_code == status
    if megabytes < 210:
        assert reply.json()["code"] in ("unknown_format", "upload_too_large")


def test_events_come_as_they_happen(inside: httpx.Client) -> None:
    with inside.stream("GET", "/sonoloop/board/stream") as reply:
        heard = next(line for line in reply.iter_lines() if line.startswith("event:"))

    assert reply.headers["content-type"].startswith("text/event-stream")
    assert heard.split()[1] in ("board", "trainings", "agreement", "beat")
