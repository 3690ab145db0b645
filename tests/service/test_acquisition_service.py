"""Scores and queues are kept up to date in the background."""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import load_threshold
from sonoloop.active_learning.candidates import SCORE_NAMES
from sonoloop.active_learning.registry import STRATEGIES
from sonoloop.errors import ImageReadError, PacsError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.acquisition import Sight
from sonoloop.records import Findings, ModelTask
from sonoloop.service import acquisition, processes, ranking, server
from sonoloop.service.acquisition import AcquisitionService
from sonoloop.service.ranking import rank, score_pool, version_of
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings
from sonoloop.store.acquisition import Scored
from sonoloop.store.annotations import NewAnnotation

FAKE_SCORER = Path(__file__).parent / "fake_scorer.py"
CHILD_S = 300.0  # the machine of a test may be busy
QUEUED = [name for name, known in STRATEGIES.items() if known.needs]


def brightness(image: UltrasoundImage) -> Sight:
    value = float(image.pixels.mean()) / 255
    scores = dict.fromkeys(SCORE_NAMES, value) | {"predicted_class": 1.0}
    return Sight(scores, np.array([value, 1.0 - value], np.float32))


def by_brightness(service: Service) -> list[str]:
    images = {n: service.images.record(n) for n in service.store.images.unlabelled_ids()}
    return sorted(images, key=lambda n: -float(service.images.load(images[n]).pixels.mean()))


def score(service: Service, **given: Any) -> int:
    options: dict[str, Any] = {"report": lambda _: None, "should_stop": lambda: False, **given}
    scorer = options.pop("scorer", brightness)
    return score_pool(service.store, service.images, scorer, "m", **options)


class TestScoring:
    def test_every_image_is_scored_once(self, service: Service) -> None:
        told: list[Any] = []

        first = score(service, report=told.append)
        again = score(service)

        assert (first, again) == (6, 0)
        assert told[-1] == {"done": 6, "total": 6, "stage": "scoring"}

    def test_goes_on_where_it_was_interrupted(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ranking, "CHUNK", 2)
        asked: Iterator[bool] = iter([False, True, True])

        before = score(service, should_stop=lambda: next(asked))
        after = score(service)

        assert (before, after) == (2, 4)

    def test_an_image_that_cannot_be_read_is_noted_and_left_out(self, service: Service) -> None:
        bad = service.store.images.unlabelled_ids()[0]

        def scorer(image: UltrasoundImage) -> Sight:
            if image is service.images.load(service.images.record(bad)):
                raise ImageReadError("truncated", "the file ends early")
            return brightness(image)

        score(service, scorer=scorer)

        noted = service.store.acquisition.scores_of(bad, "m")
        assert noted
        assert noted.problem == "truncated: the file ends early"
        assert len(service.store.acquisition.queue("entropy", limit=9)) == 5

    def test_a_pacs_that_is_down_ends_it_and_nothing_is_noted(self, service: Service) -> None:
        def scorer(_: UltrasoundImage) -> Sight:
            raise PacsError("the PACS does not answer")

        with pytest.raises(PacsError, match="does not answer"):
            score(service, scorer=scorer)

        assert service.store.acquisition.progress("m") == (0, 6)

    def test_readers_get_queues_before_the_last_image_is_scored(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ranking, "CHUNK", 2)
        monkeypatch.setattr(ranking, "FIRST_RANKING", 2)
        asked: Iterator[bool] = iter([False] * (1 + len(QUEUED)) + [True] * 2)

        score(service, should_stop=lambda: next(asked))

        assert len(service.store.acquisition.queue("entropy", limit=9)) == 2


class TestRanking:
    def test_every_strategy_has_a_queue(self, service: Service) -> None:
        score(service)

        queues = {name: service.store.acquisition.queue(name, limit=9) for name in QUEUED}

        assert all(len(queue) == 6 for queue in queues.values())
        heads = [queued.record.image_id for queued in queues["entropy"]]
        assert heads == by_brightness(service)

    def test_the_reserve_is_ranked_as_if_the_first_batch_were_labelled(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ranking, "BATCHES", (2, 3))

        score(service)

        queue = service.store.acquisition.queue("k_centre", limit=9)
        ids = [queued.record.image_id for queued in queue]
        assert len(ids) == len(set(ids)) == 5
        assert queue[0].reason.startswith("An image to begin with")
        assert all(queued.reason.startswith("Least like") for queued in queue[1:])

    def test_comparing_is_limited_to_a_random_part(
        self, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        score(service)
        monkeypatch.setattr(ranking, "MOST_EMBEDDED", 4)

        rank(service.store, "m")

        assert len(service.store.acquisition.queue("k_centre", limit=9)) == 4
        assert len(service.store.acquisition.queue("entropy", limit=9)) == 6

    def test_a_labelled_image_leaves_the_queue(self, service: Service) -> None:
        score(service)
        first = by_brightness(service)[0]
        service.store.annotations.save(NewAnnotation(image_id=first, reader="r"), None)

        rank(service.store, "m")

        state = service.store.acquisition.queue_state("entropy")
        assert state
        assert (state.labels, state.length) == (1, 5)

    def test_a_strategy_that_lacks_something_has_no_queue(
        self, service: Service, caplog: pytest.LogCaptureFixture
    ) -> None:
        ids = service.store.images.unlabelled_ids()
        blind = [Scored(image_id=n, scores=dict.fromkeys(SCORE_NAMES, 0.5)) for n in ids]
        service.store.acquisition.write("bare", blind)

        rank(service.store, "bare")

        assert service.store.acquisition.queue("k_centre", limit=9) == []
        assert "strategy k_centre has no queue: the candidates carry no embeddings" in caplog.text


class Judging:
    """The fake pipeline of the other tests, of the kind that strategies can ask."""

    def __init__(self, *given: Any) -> None:
        self._pipeline = load_threshold(*given)

    def __call__(self, image: UltrasoundImage) -> Findings:
        return self._pipeline(image)

    def judge(self, pixels: Any, probability_map: Any) -> Any:
        raise AssertionError("the process of its own judges")


def load_judging(segmentation: Path, classification: Path, settings: PipelineSettings) -> Judging:
    return Judging(segmentation, classification, settings)


def fake_command(workspace: Path, job_id: str) -> list[str]:
    return [sys.executable, str(FAKE_SCORER), "--workspace", str(workspace), "--job", job_id]


@pytest.fixture
def open_scored(
    open_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Service]:
    """Opens a service whose images are scored by ``fake_scorer.py``, at every tick if need be."""
    monkeypatch.setattr(
        server, "AcquisitionService", partial(AcquisitionService, command=fake_command)
    )
    monkeypatch.setattr(acquisition, "LOOK_S", 0.0)
    monkeypatch.setattr(processes, "NICENESS", 0)  # a busy machine would starve it
    return lambda: open_service(load_pipeline=load_judging)


def ended(service: Service) -> bool:
    latest = service.store.jobs.latest("acquisition")
    return latest is not None and latest.ended_at is not None


@pytest.mark.slow
class TestInTheBackground:
    def test_scores_appear_after_a_publication_and_do_not_hold_up_readers(
        self,
        open_scored: Callable[[], Service],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        until: Callable[..., None],
        new_model: Callable[[str, ModelTask], Path],
    ) -> None:
        gate = tmp_path / "gate"
        monkeypatch.setenv("SCORER_GATE", str(gate))
        service = open_scored()
        until(lambda: service.store.jobs.active("acquisition"))

        began = time.monotonic()
        meanwhile = service.next_image("entropy", reader="a")
        took = time.monotonic() - began
        gate.touch()
        until(lambda: ended(service), timeout_s=CHILD_S)
        ranked = service.next_image("entropy", reader="a")

        assert meanwhile
        assert meanwhile.lease.reason.startswith("Drawn at random")
        assert took < 2
        assert ranked
        assert ranked.image.image_id == by_brightness(service)[0]
        assert ranked.lease.reason.startswith("The model is unsure where the lesion ends")
        job = service.store.jobs.latest("acquisition")
        assert job
        assert (job.status, job.details[-1]) == ("DONE", "6 images scored now, 6 of 6 in all")

        folder = new_model("seg-2", "segmentation")
        card = {"model_id": "seg-2", "task": "segmentation", "architecture": "fake"}
        service.store.models.register(card, folder)
        service.store.models.publish("seg-2", kind="hand", actor="t", reason="a test")
        version = version_of({"segmentation": "seg-2", "classification": "cls-1"})
        until(
            lambda: service.store.acquisition.progress(version) == (6, 6) and ended(service),
            timeout_s=CHILD_S,
        )

        state = service.store.acquisition.queue_state("entropy")
        assert state
        assert state.model == version

    def test_is_not_begun_again_while_nothing_changes_nor_at_once_after_a_failure(
        self,
        open_scored: Callable[[], Service],
        monkeypatch: pytest.MonkeyPatch,
        until: Callable[..., None],
    ) -> None:
        monkeypatch.setenv("SCORER_CRASHES", "1")
        service = open_scored()
        until(lambda: ended(service), timeout_s=CHILD_S)

        assert service.acquisition.keep_up() is None
        job = service.store.jobs.latest("acquisition")
        assert job
        assert job.status == "ERROR"
        assert job.details[-1].endswith("status 3: the weights are made of cheese")

    def test_ends_with_its_server(
        self,
        open_scored: Callable[[], Service],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        until: Callable[..., None],
    ) -> None:
        monkeypatch.setenv("SCORER_GATE", str(tmp_path / "never"))
        service = open_scored()
        until(lambda: service.store.jobs.active("acquisition"))
        began = time.monotonic()

        service.close()

        assert time.monotonic() - began < 15


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestWhen:
    @pytest.fixture
    def begun(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """What would be begun; every image is scored and ranked, six labels short of the next."""
        monkeypatch.setattr(type(service.inference), "is_dual_stage", True)
        score_pool(
            service.store,
            service.images,
            brightness,
            version_of(service.inference.model_ids),
            report=lambda _: None,
            should_stop=lambda: False,
        )
        begun: list[Any] = []
        monkeypatch.setattr(service.jobs, "start", lambda *given, **_: begun.append(given[2]))
        return begun

    def look(self, service: Service) -> None:
        keeper = AcquisitionService(service.store, service.inference, service.jobs, studies="s")
        keeper.keep_up()

    def test_nothing_is_begun_when_all_is_scored_and_ranked(
        self, service: Service, begun: list[Any]
    ) -> None:
        self.look(service)

        assert begun == []

    def test_enough_new_labels_begin_a_ranking(
        self, service: Service, begun: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(acquisition, "LABELS_PER_RANKING", 2)
        for image_id in service.store.images.unlabelled_ids()[:2]:
            service.store.annotations.save(NewAnnotation(image_id=image_id, reader="r"), None)

        self.look(service)

        assert [request["models"] for request in begun] == [service.inference.model_ids]

    def test_a_new_image_begins_a_scoring(self, service: Service, begun: list[Any]) -> None:
        known = service.store.images.get(service.store.images.unlabelled_ids()[0])
        service.store.images.upsert_many(
            [type(known)(**{**{n: getattr(known, n) for n in known.__slots__}, "image_id": "new"})]
        )

        self.look(service)

        assert len(begun) == 1

    def test_it_is_looked_at_now_and_then_only(self, service: Service, begun: list[Any]) -> None:
        clock = Clock()
        keeper = AcquisitionService(
            service.store, service.inference, service.jobs, studies="s", clock=clock
        )
        service.store.acquisition.forget_all_but([])

        for clock.now in (0.0, 1.0, 4.9, 5.0):
            keeper.keep_up()

        assert len(begun) == 2
