"""A workspace whose outbox is stepped by hand, before an archive in memory."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from archives import FakeArchive, fake_rejection, make_fakes
from sonoloop.records import Annotation, ImageRecord
from sonoloop.service.outbox import Outbox
from sonoloop.settings import WriteBackSettings
from sonoloop.store import NewAnnotation, Store
from sonoloop.store.outbox_entries import OutboxEntry

NOW: Final = datetime.now(UTC) + timedelta(hours=1)
SHAPE: Final = (8, 12)


class PowerCutError(BaseException):
    """The process dies here."""


class Site:
    """A workspace with an outbox that is stepped by hand, and may die and be started again."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.archive = folder, FakeArchive()
        self.settings = WriteBackSettings(**settings)
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.folder)
        self.outbox = Outbox(
            self.store,
            self.archive,
            self.settings,
            make=make_fakes,
            reject=fake_rejection,
            chance=lambda: 0.0,
        )

    def reopen(self) -> None:
        """What a crash leaves, taken up by the next server."""
        self.store.close()
        self.open()

    def step(self, now: datetime = NOW) -> float:
        return self.outbox.step(now)

    def drain(self, now: datetime = NOW) -> None:
        while self.step(now) == 0.0:
            pass

    def say(
        self, image_id: str, reader: str = "ann", *, lesion: bool = True, **more: Any
    ) -> Annotation:
        mask = np.zeros(SHAPE, np.uint8)
        mask[2:5, 3:8] = lesion
        return self.store.annotations.save(
            NewAnnotation(image_id=image_id, reader=reader, **more), mask
        )

    def entries(self) -> list[OutboxEntry]:
        return self.store.outbox.list()[::-1]

    def states(self) -> list[str]:
        return [entry.state for entry in self.entries()]

    def kinds(self) -> list[str]:
        """Kinds of what the archive has, in the order in which they came."""
        return [said.split()[0] for said in self.archive.said()]


def record(image_id: str) -> ImageRecord:
    """An image of the archive."""
    return ImageRecord(
        image_id=image_id,
        source="folder",
        locator=f"{image_id}.dcm",
        frame=0,
        frame_count=1,
        rows=SHAPE[0],
        columns=SHAPE[1],
        spacing_mm=(0.1, 0.1),
        patient_id="p1",
        study_instance_uid="1.2",
        series_instance_uid="1.2.3",
        sop_instance_uid=image_id,
    )
