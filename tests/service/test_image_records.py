"""Looking up an image again costs nothing, and never gives what is out of date."""

import dataclasses
from pathlib import Path

import pytest

from sonoloop.errors import NotFoundError
from sonoloop.records import ImageRecord
from sonoloop.service.images import ImageLibrary
from sonoloop.store.store import Store


class Nowhere:
    """A source without pixels."""

    def path_of(self, record: ImageRecord) -> Path:
        raise NotFoundError(f"no pixels of {record.image_id}")


def image(rows: int) -> ImageRecord:
    return ImageRecord(
        image_id="a",
        source="folder",
        locator="a.png",
        frame=0,
        frame_count=1,
        rows=rows,
        columns=64,
        spacing_mm=None,
        patient_id=None,
        study_instance_uid=None,
        series_instance_uid=None,
        sop_instance_uid=None,
    )


def test_a_record_is_kept_until_something_is_written(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.images.upsert_many([image(64)])
        library = ImageLibrary(store, Nowhere())

        first = library.record("a")
        assert library.record("a") is first

        store.images.upsert_many([dataclasses.replace(first, rows=100)])
        assert library.record("a").rows == 100

        store.images.remove("a")
        with pytest.raises(NotFoundError, match="unknown image 'a'"):
            library.record("a")
