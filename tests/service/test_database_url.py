"""A server whose database is PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from people import PASSWORD, quick_passwords
from postgres import PostgresServer
from sonoloop.errors import AuthenticationError, StoreError
from sonoloop.labels import Pathology
from sonoloop.service import processes
from sonoloop.service.accounts import AccountService
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.store import NewAnnotation, Store


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create()
    yield postgres_server.url(name)
    postgres_server.drop(name)


def test_labels_and_trainings_of_the_server_and_its_worker_lie_in_it(
    database_url: str,  # first: it must outlive the service
    open_service: Callable[..., Service],
    worker: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A niced process takes long to start on a machine that is busy with other tests.
    monkeypatch.setattr(processes, "NICENESS", 0)
    service = open_service(command=worker("train"), database_url=database_url)
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[10:20, 15:30] = 1
    for image_id in service.store.images.unlabelled_ids()[:4]:
        new = NewAnnotation(image_id=image_id, reader="a", pathology=Pathology.BENIGN)
        service.store.annotations.save(new, mask)

    job = service.training.wait(service.training.start("segmentation", {"max_epochs": 2}).job_id)

    assert job.status == "DONE"
    assert service.store.images.count_labelled() == 4
    assert list(tmp_path.rglob("sonoloop.db")) == []


def test_a_second_server_of_the_database_is_refused_also_from_another_workspace(
    database_url: str, open_service: Callable[..., Service], studies: Path, tmp_path: Path
) -> None:
    service = open_service(database_url=database_url)
    given = (str(studies), tmp_path / "elsewhere", ServerSettings(rescan_s=0), PipelineSettings())

    with pytest.raises(StoreError, match="in use by another server"):
        Service.open(*given, shipped_models=None, database_url=database_url)

    service.close()
    Service.open(*given, shipped_models=None, database_url=database_url).close()


def test_a_name_that_no_database_can_keep_is_refused_as_any_wrong_one(
    database_url: str, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "workspace", url=database_url) as store:
        accounts = AccountService(store, passwords=quick_passwords())
        accounts.add("anna", "annotator", PASSWORD, actor="it")

        with pytest.raises(AuthenticationError, match="name or password is wrong"):
            accounts.log_in("anna\0", PASSWORD, address="10.0.0.1")

        [refused] = store.events.list(kind="log_in_refused")
        assert refused.details == {"address": "10.0.0.1", "wrong": "name"}
