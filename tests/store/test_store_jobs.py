from typing import Any

import pytest

from sonoloop.errors import ConflictError, JobConflictError, NotFoundError
from sonoloop.store import Store


class TestLife:
    def test_a_job_goes_from_submitted_to_done(self, store: Store) -> None:
        submitted = store.jobs.create("train", "segmentation", {"max_epochs": 3})
        running = store.jobs.start(submitted.job_id, 42, 1700000000.25)
        beating = store.jobs.heartbeat(submitted.job_id, {"epoch": 1}, "epoch 1 of 3")
        done = store.jobs.finish(submitted.job_id, "DONE", "all well")

        assert [j.status for j in (submitted, running, beating, done)] == [
            "SUBMITTED", "RUNNING", "RUNNING", "DONE",
        ]  # fmt: skip
        assert (done.pid, done.pid_started) == (42, 1700000000.25)
        assert (done.request, done.progress) == ({"max_epochs": 3}, {"epoch": 1})
        assert done.details == ("epoch 1 of 3", "all well")
        assert done.started_at
        assert done.ended_at
        assert done.ended_at >= done.started_at >= done.created_at
        assert store.jobs.get(done.job_id) == done

    def test_progress_stays_when_a_heartbeat_says_none(self, store: Store) -> None:
        job = store.jobs.create("train", "segmentation", {})
        store.jobs.heartbeat(job.job_id, {"epoch": 1})

        assert store.jobs.heartbeat(job.job_id, None, "line").progress == {"epoch": 1}

    def test_only_the_last_lines_are_kept(self, store: Store) -> None:
        job = store.jobs.create("train", "segmentation", {})
        for i in range(103):
            store.jobs.heartbeat(job.job_id, None, str(i))

        details = store.jobs.get(job.job_id).details
        assert (len(details), details[0], details[-1]) == (100, "3", "102")

    def test_the_first_ending_stays(self, store: Store) -> None:
        job = store.jobs.create("train", "segmentation", {})
        first = store.jobs.finish(job.job_id, "STOPPED")

        assert store.jobs.finish(job.job_id, "DONE", "late") == first

    def test_a_job_given_up_for_dead_is_told_so(self, store: Store) -> None:
        job = store.jobs.create("train", "segmentation", {})
        store.jobs.finish(job.job_id, "ERROR")

        with pytest.raises(ConflictError, match="has ended: ERROR"):
            store.jobs.heartbeat(job.job_id, {})
        with pytest.raises(ConflictError, match="only a submitted one starts"):
            store.jobs.start(job.job_id, 1, 1.0)

    def test_a_job_is_asked_to_stop(self, store: Store) -> None:
        job = store.jobs.create("train", "segmentation", {})

        assert not store.jobs.stop_requested(job.job_id)
        assert store.jobs.request_stop(job.job_id)
        assert store.jobs.stop_requested(job.job_id)
        store.jobs.finish(job.job_id, "STOPPED")
        assert not store.jobs.request_stop(job.job_id)

    @pytest.mark.parametrize(
        ("call", "arguments"),
        [
            ("get", ()),
            ("start", (1, 1.0)),
            ("heartbeat", ({},)),
            ("finish", ("DONE",)),
            ("request_stop", ()),
            ("stop_requested", ()),
        ],
    )
    def test_an_unknown_job_is_told(
        self, store: Store, call: str, arguments: tuple[Any, ...]
    ) -> None:
        with pytest.raises(NotFoundError, match="unknown job 'x'"):
            getattr(store.jobs, call)("x", *arguments)


class TestOneAtATime:
    def test_a_second_on_the_same_target_is_refused(self, store: Store) -> None:
        store.jobs.create("train", "segmentation", {})

        with pytest.raises(JobConflictError, match="'segmentation' is running already"):
            store.jobs.create("train", "segmentation", {})

    def test_other_kinds_and_targets_go_beside_it(self, store: Store) -> None:
        store.jobs.create("train", "segmentation", {})
        store.jobs.create("train", "classification", {})
        store.jobs.create("scoring", "segmentation", {})

        assert len(store.jobs.active()) == 3
        assert [job.target for job in store.jobs.active("train")] == [
            "segmentation",
            "classification",
        ]

    def test_the_next_may_come_after_the_end(self, store: Store) -> None:
        first = store.jobs.create("train", "segmentation", {})
        store.jobs.finish(first.job_id, "ERROR")

        second = store.jobs.create("train", "segmentation", {})

        assert store.jobs.active() == [second]
        assert store.jobs.latest("train", "segmentation") == second
        assert [job.job_id for job in store.jobs.recent("train", 5)] == [
            second.job_id,
            first.job_id,
        ]
        assert len(store.jobs.recent("train", 1)) == 1

    def test_the_latest_of_nothing_is_none(self, store: Store) -> None:
        assert store.jobs.latest("train") is None
        assert store.jobs.latest("train", "segmentation") is None
