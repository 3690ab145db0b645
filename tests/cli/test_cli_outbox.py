"""``sonoloop outbox``: seen and handled from the command line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from sonoloop.cli.main import app
from sonoloop.records import ImageRecord
from sonoloop.store import NewAnnotation, Store

Run = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A workspace with an answer that the archive refused, and one on no DICOM."""
    with Store.open(tmp_path / "workspace") as opened:
        for image_id, sop in (("1.2.3", "1.2.3"), ("picture", None)):
            record = ImageRecord(
                image_id=image_id,
                source="folder",
                locator=image_id,
                frame=0,
                frame_count=1,
                rows=4,
                columns=4,
                spacing_mm=None,
                patient_id=None,
                study_instance_uid="1.2",
                series_instance_uid="1.2.4",
                sop_instance_uid=sop,
            )
            opened.images.upsert_many([record])
            opened.annotations.save(
                NewAnnotation(image_id=image_id, reader="ann"), np.ones((4, 4), np.uint8)
            )
        opened.outbox.mark_failed(1, "SOP class not supported")
        yield opened


@pytest.fixture
def run(store: Store) -> Run:
    """Runs a subcommand on the workspace."""

    def running(*arguments: str) -> Result:
        named = [*arguments, "--workspace", str(store.paths.root)]
        return CliRunner().invoke(app, ["outbox", *named], env={"COLUMNS": "200"})

    return running


def test_entries_are_listed_with_what_went_wrong(run: Run) -> None:
    shown = run("list")

    assert shown.exit_code == 0
    assert "0 waiting, 0 sent, 0 verified, 1 failed, 1 off" in shown.output
    assert "SOP class not supported" in shown.output
    assert "picture" in shown.output
    assert "picture" not in run("list", "--state", "failed").output


def test_what_failed_is_on_the_way_again(run: Run, store: Store) -> None:
    assert "0 on the way again" in run("retry", "2").output
    assert "1 on the way again" in run("retry", "--actor", "eve").output

    assert store.outbox.get(1).state == "waiting"
    assert store.events.list(kind="document_retried")[0].actor == "eve"


def test_nothing_is_queued_twice(run: Run, store: Store) -> None:
    assert "0 on the way" in run("queue").output
    assert len(store.outbox.list()) == 2


def test_an_unknown_state_is_refused(run: Run) -> None:
    refused = run("list", "--state", "lost")

    assert refused.exit_code != 0
    assert "unknown state 'lost'" in refused.output


@pytest.mark.parametrize("command", [("retry",), ("list", "--limit")])
def test_a_number_that_no_entry_can_have_is_told(run: Run, command: tuple[str, ...]) -> None:
    told = run(*command, "99999999999999999999")

    assert told.exit_code == 2
    assert "2147483647" in told.output
