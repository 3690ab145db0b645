"""``monailabel start_server`` with our app, and two servers side by side."""

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

CHECKOUT = Path(__file__).parents[2]
SAMPLES = CHECKOUT / "sample-data" / "studies"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(
    app_before: str,
    start_server: Callable[..., Any],
    tiny_models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """Started by MONAI Label's command, without a way to download anything."""
    workspace = tmp_path_factory.mktemp("monailabel") / "workspace"
    return start_server(SAMPLES, workspace, models=tiny_models, how="monailabel")


def test_it_serves_the_sample_data(server: Any, tmp_path: Path) -> None:
    info = server.client(tmp_path).info()

    assert info["datastore"]["total"] == 33
    assert set(info["models"]) == {"lesion", "classification"}


def test_the_client_labels_an_image(
    server: Any, tmp_path: Path, label_first: Callable[[Any, int], list[str]]
) -> None:
    client = server.client(tmp_path)
    sample = client.next_sample("first", {})

    mask, params = client.infer("lesion", sample["id"], {"result_extension": ".nii.gz"})
    labelled = label_first(client, 1)

    assert mask.endswith(".nii.gz")
    assert set(params["models"]) == {"segmentation", "classification"}
    assert labelled == [sample["id"]]
    assert client.next_sample("first", {})["id"] != sample["id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/docs"),
        ("GET", "/proxy/dicom/wado/studies"),
        ("POST", "/reload"),
        ("PUT", "/model/lesion"),
    ],
)
def test_routes_of_monai_label_that_we_do_not_support_are_off(
    server: Any, method: str, path: str
) -> None:
    answer = requests.request(method, f"{server.url}{path}", timeout=30)

    assert answer.status_code in (404, 405)
    assert answer.json()["detail"]


def test_bad_input_is_told_in_a_sentence(server: Any) -> None:
    answer = requests.post(f"{server.url}/infer/lesion?image=../../etc/passwd", timeout=30)

    assert answer.status_code == 400
    assert "not an identifier" in answer.json()["detail"]


def test_pages_of_other_sites_may_not_read(server: Any) -> None:
    headers = {"origin": "http://elsewhere.example"}
    answer = requests.get(f"{server.url}/info/", headers=headers, timeout=30)

    assert "access-control-allow-origin" not in answer.headers


def test_other_machines_are_refused(server: Any) -> None:
    own = outside_address()
    port = server.url.rpartition(":")[2]

    answer = requests.get(f"http://{own}:{port}/info/", timeout=30, proxies={"http": ""})

    assert answer.status_code == 403


def outside_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: a datagram socket only looks it up
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address: str = probe.getsockname()[0]
        return address


def state_of_app() -> str:
    """What git has to say of the app's folder; nothing where there is no git."""
    git = shutil.which("git")
    if git is None or not (CHECKOUT / ".git").exists():
        return ""
    command = [git, "status", "--porcelain", "--untracked-files=all", "apps"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def app_before() -> str:
    """State of the app's folder before the server of this module starts."""
    return state_of_app()


def test_it_ends_in_good_order_and_leaves_the_app_folder_as_it_was(
    app_before: str, server: Any
) -> None:
    status = server.stop()

    assert status == 128 + 15
    assert not (server.workspace / "sonoloop.db-wal").exists()
    assert "answering in the place" in (server.workspace / "logs" / "server.log").read_text()
    assert state_of_app() == app_before


def test_two_servers_with_two_workspaces_do_not_meet(
    start_server: Callable[..., Any],
    tiny_models: Path,
    label_first: Callable[[Any, int], list[str]],
    tmp_path: Path,
) -> None:
    first, second = (
        start_server(SAMPLES, tmp_path / name, models=tiny_models).client(tmp_path)
        for name in ("one", "two")
    )
    (labelled,) = label_first(first, 1)

    assert first.info()["datastore"]["completed"] == 1
    assert second.info()["datastore"]["completed"] == 0
    assert second.next_sample("first", {})["id"] == labelled
