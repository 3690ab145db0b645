"""The outbox loads what the first document needs, but not before the server answers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archives import FakeArchive
from sonoloop.records import ImageRecord
from sonoloop.service import outbox as outbox_module
from sonoloop.service.outbox import WARM_UP_AFTER_S, Outbox
from sonoloop.settings import WriteBackSettings
from sonoloop.store import Store

IMAGE = ImageRecord(
    image_id="1.1",
    source="folder",
    locator="1.1.dcm",
    frame=0,
    frame_count=1,
    rows=8,
    columns=12,
    spacing_mm=None,
    patient_id="p1",
    study_instance_uid="1.2",
    series_instance_uid="1.2.3",
    sop_instance_uid="1.1",
)


def test_it_warms_up_once_and_only_some_time_after_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[bool] = []
    monkeypatch.setattr(outbox_module, "warm_up", lambda: warmed.append(True))
    later = timedelta(seconds=WARM_UP_AFTER_S + 1)
    with Store.open(tmp_path / "workspace") as store:
        store.images.upsert_many([IMAGE])
        outbox = Outbox(store, FakeArchive(), WriteBackSettings())
        outbox.start()
        assert outbox.wait_until_idle(30)
        before = len(warmed)

        for _ in range(2):
            outbox.step(datetime.now(UTC) + later)
        outbox.close()

    assert (before, len(warmed)) == (0, 1)
