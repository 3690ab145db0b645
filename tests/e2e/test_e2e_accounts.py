"""Accounts on a server that MONAI Label's command starts, asked from the network."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import requests
from monailabel.client.client import MONAILabelClientException
from PIL import Image

from people import PASSWORD, bearer

BIN = Path(sys.executable).parent
SAMPLES = Path(__file__).parents[2] / "sample-data" / "studies"

pytestmark = pytest.mark.slow


def own_address() -> str | None:
    """An address under which other machines know this one."""
    found = psutil.net_if_addrs().values()
    ours = [a.address for one in found for a in one if a.family == socket.AF_INET]
    return next((address for address in ours if not address.startswith("127.")), None)


@pytest.fixture(scope="module")
def server(
    start_server: Callable[..., Any], tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A server of MONAI Label's command, which listens at every address."""
    workspace = tmp_path_factory.mktemp("accounts") / "workspace"
    return start_server(SAMPLES, workspace, models=tiny_models, how="monailabel")


def sonoloop(server: Any, *words: str, entered: str = "") -> str:
    """What a command about accounts prints, while the server runs."""
    command = [str(BIN / "sonoloop"), "accounts", *words, "--workspace", str(server.workspace)]
    done = subprocess.run(command, input=entered, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_accounts_open_it_to_the_network_and_to_nobody_else(
    server: Any, until: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no network")
    url = server.url.replace("127.0.0.1", address)
    before = requests.get(f"{url}/info/", timeout=30)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    sonoloop(server, "add", "anna", entered=f"{PASSWORD}\n")
    token = sonoloop(server, "token", "anna", "script")
    until(
        lambda: requests.get(f"{url}/info/", timeout=30).status_code == 401,
        timeout_s=30,
        what="the server does not ask for accounts",
    )
    client = server.client(tmp_path)
    client.set_server_url(url)
    assert client.auth_enabled()
    client.update_auth(client.auth_token("anna", PASSWORD))
    sample = client.next_sample("first", {})
    mask = np.zeros((sample["rows"], sample["columns"]), dtype=np.uint8)
    mask[20:60, 100:150] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    told = {"reader": "somebody else", "pathology": "benign"}
    client.save_label(sample["id"], str(tmp_path / "mask.png"), params=told)
    client.infer("lesion", sample["id"], {"result_extension": ".nrrd"})

    assert before.status_code == 403
    asked = f"{url}/sonoloop/revisions?image={sample['id']}"
    revisions = requests.get(asked, headers=bearer(token), timeout=30).json()["revisions"]
    assert [one["reader"] for one in revisions] == ["anna"]
    sonoloop(server, "disable", "anna")
    until(
        lambda: requests.get(asked, headers=bearer(token), timeout=30).status_code == 401,
        timeout_s=30,
        what="the server still knows the account",
    )
    with pytest.raises(MONAILabelClientException, match="Status: 401"):
        client.info()
