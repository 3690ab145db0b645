"""A PACS that fails with some of its studies, for a moment or for good."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacs_of_studies import PacsOfStudies, metadata, serving, value
from sonoloop.errors import PacsError
from sonoloop.pacs.dicomweb import DicomWebSource
from sonoloop.pacs.unfinished import FIRST_PAUSE_S, MOST_TRIES, Unfinished
from sonoloop.store import Store

MANY = 40
"""More than are asked for at once."""


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pacs() -> Iterator[PacsOfStudies]:
    with serving("1.2.1", "1.2.2", "1.2.3") as service:
        yield service


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(pacs: PacsOfStudies, workspace: Path, clock: Clock) -> DicomWebSource:
    made = DicomWebSource(pacs.url, workspace)
    made._unfinished = Unfinished(clock)
    return made


def available(store: Store) -> list[str]:
    return sorted(record.image_id for record in store.images.list() if record.available)


ALL_THREE = ["1.2.1.1.1", "1.2.2.1.1", "1.2.3.1.1"]


class TestFailures:
    @pytest.mark.parametrize("tells_counts", [True, False])
    def test_a_study_that_fails_is_refused_and_holds_up_no_other(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store, tells_counts: bool
    ) -> None:
        pacs.studies = [f"1.2.{number}" for number in range(MANY)]
        pacs.tells_counts = tells_counts
        pacs.answers["/1.2.0/series"] = (500, b"oops")

        summary = source.scan(store)

        assert summary.added == MANY - 1
        assert [(one.locator, one.code) for one in summary.refused] == [("1.2.0/", "unreadable")]
        assert "failed: HTTP 500" in summary.refused[0].message
        assert source.state.reachable

    @pytest.mark.parametrize("modality", [None, {"Value": {"a": 1}}, {"Value": "US"}, []])
    def test_a_study_that_is_told_malformed_is_refused_alone(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store, modality: object
    ) -> None:
        series = {"0020000E": value("UI", "1.2.1.1"), "00080060": modality}
        pacs.answers["/1.2.1/series"] = (200, json.dumps([series]).encode())

        summary = source.scan(store)

        assert [(one.locator, one.code) for one in summary.refused] == [("1.2.1/", "unreadable")]
        assert available(store) == ALL_THREE[1:]

    @pytest.mark.parametrize(
        ("stated", "kept"), [("a\ud800b", "a?b"), ("a\0b", "a?b"), ("ab\0", "ab")]
    )
    def test_a_text_that_cannot_be_written_down_is_kept_without_what_it_cannot_have(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store, stated: str, kept: str
    ) -> None:
        told = metadata("1.2.1") | {"00100020": value("LO", stated)}
        pacs.answers["/1.2.1.1.1/metadata"] = (200, json.dumps([told]).encode())

        source.scan(store)

        assert available(store) == ALL_THREE
        assert store.images.get("1.2.1.1.1").patient_id == kept

    def test_a_study_that_fails_again_is_not_told_again(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store
    ) -> None:
        pacs.answers["/1.2.1/series"] = (500, b"oops")
        source.scan(store)

        again = source.scan(store)

        assert (again.added, again.refused) == (0, ())
        assert [one.locator for one in store.images.refusals()] == ["1.2.1/"]

    def test_what_is_known_of_a_study_that_fails_stays_and_what_has_gone_goes(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store, workspace: Path
    ) -> None:
        source.scan(store)
        pacs.answers["/1.2.1/series"] = (500, b"oops")
        pacs.studies.remove("1.2.2")

        summary = DicomWebSource(pacs.url, workspace).scan(store)

        assert summary.removed == 1
        assert available(store) == ["1.2.1.1.1", "1.2.3.1.1"]

    def test_a_study_that_fails_no_more_is_no_longer_refused(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store
    ) -> None:
        pacs.answers["/1.2.1/series"] = (500, b"oops")
        source.scan(store)
        pacs.answers.clear()

        summary = source.scan(store)

        assert summary.added == 1
        assert len(store.images.refusals()) == 0

    @pytest.mark.parametrize("counted", [True, False])
    def test_a_pacs_that_fails_with_every_study_is_told_as_such(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store, counted: bool
    ) -> None:
        pacs.tells_counts = counted
        pacs.answers["/series"] = (500, b"oops")

        with pytest.raises(PacsError, match="HTTP 500"):
            source.scan(store)

        assert not source.state.reachable

    def test_a_pacs_that_goes_away_in_the_middle_is_told_and_what_was_found_is_kept(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store
    ) -> None:
        pacs.studies = [f"1.2.{number}" for number in range(MANY)]
        real = pacs.answer

        def answer(target: str) -> tuple[int, bytes]:
            if target.endswith("/1.2.20/series?Modality=US"):
                pacs.answers[""] = (503, b"shutting down")
            return real(target)

        pacs.answer = answer  # type: ignore[method-assign]

        with pytest.raises(PacsError, match="HTTP 503"):
            source.scan(store)

        assert store.images.count() >= 16
        assert len(store.images.refusals()) == 0


class TestMoments:
    def test_images_stay_while_a_study_is_not_found_for_a_moment(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store, workspace: Path
    ) -> None:
        source.scan(store)
        pacs.answers["/1.2.1/series"] = (404, b"")
        restarted = DicomWebSource(pacs.url, workspace)

        summary = restarted.scan(store)

        assert (summary.removed, summary.refused) == (0, ())
        assert available(store) == ALL_THREE

    @pytest.mark.parametrize(
        ("of", "answer"),
        [
            ("/1.2.1/series", (404, b"")),
            ("/1.2.1.1.1/metadata", (404, b"")),
            ("/1.2.1.1.1/metadata", (200, b"[]")),
        ],
    )
    def test_what_comes_a_moment_later_is_found_by_the_next_look(
        self,
        source: DicomWebSource,
        pacs: PacsOfStudies,
        store: Store,
        *,
        of: str,
        answer: tuple[int, bytes],
    ) -> None:
        pacs.answers[of] = answer
        source.scan(store)
        first = available(store)
        pacs.answers.clear()

        source.scan(store)

        assert (first, available(store)) == (ALL_THREE[1:], ALL_THREE)

    def test_a_study_that_is_sent_again_as_it_was_is_found_again(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store
    ) -> None:
        source.scan(store)
        pacs.studies.remove("1.2.1")
        source.scan(store)
        gone = available(store)
        pacs.studies.append("1.2.1")

        source.scan(store)

        assert (gone, available(store)) == (ALL_THREE[1:], ALL_THREE)


class TestAgain:
    def test_what_was_cut_short_is_looked_into_again_without_a_look_at_everything(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store, clock: Clock
    ) -> None:
        pacs.answers["/1.2.1/series"] = (500, b"oops")
        source.scan(store)
        pacs.answers.clear()
        pacs.asked.clear()
        assert source.scan_news(store) is None
        clock.now += FIRST_PAUSE_S

        summary = source.scan_news(store)

        assert summary is not None
        assert summary.added == 1
        assert pacs.asked[0] == "/dicom-web/studies/1.2.1/series"
        assert len(store.images.refusals()) == 0
        clock.now += 1000
        assert source.scan_news(store) is None

    def test_a_pacs_that_was_not_asked_has_not_answered(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store
    ) -> None:
        source.scan(store)
        source.watch.told("nobody answers")

        source.scan_news(store)

        assert not source.state.reachable

    def test_a_study_that_has_gone_since_loses_its_images(
        self, source: DicomWebSource, pacs: PacsOfStudies, store: Store, clock: Clock
    ) -> None:
        source.scan(store)
        source._unfinished.note("1.2.1")
        clock.now += FIRST_PAUSE_S
        pacs.studies.remove("1.2.1")

        source.scan_news(store)

        assert available(store) == ALL_THREE[1:]

    def test_the_pauses_get_longer_and_end(self) -> None:
        clock = Clock()
        unfinished = Unfinished(clock)
        unfinished.note("1.2")
        pauses = []
        while True:
            begin = clock.now
            while clock.now - begin < 1000 and not unfinished.due():
                clock.now += 1
            if not unfinished.due():
                break
            pauses.append(clock.now - begin)
            unfinished.note("1.2")

        assert pauses == [FIRST_PAUSE_S * 2**tried for tried in range(MOST_TRIES)]
