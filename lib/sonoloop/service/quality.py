"""Looks at labels after they were saved, and raises flags where they are doubtful.

Saves do not wait for it: a thread takes the images one by one. What a dead server left unlooked at
is found in the store by the next one.
"""

import logging
import threading
from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np

from sonoloop.errors import ConfigError, InvalidRequestError, SonoloopError
from sonoloop.quality.doubt import FLAG_KINDS, FLAG_STATES, FlagKind, FlagState, QualityFlag
from sonoloop.quality.duplicates import Thumbnail, near_duplicates, thumbnail
from sonoloop.quality.limits import Limits
from sonoloop.records import Job
from sonoloop.service.background import BackgroundJobs, JobHandle
from sonoloop.service.images import ImageLibrary
from sonoloop.service.inference import InferenceService
from sonoloop.service.label_checks import LabelChecks
from sonoloop.service.steady import SteadyThread
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

TARGET: Final = "quality"
"""Name of the job that looks at every label."""
MAX_REASON: Final = 1000


class QualityService:
    """Checks labels in a thread of its own, and all of them as a job."""

    def __init__(
        self,
        store: Store,
        images: ImageLibrary,
        inference: InferenceService,
        jobs: BackgroundJobs,
        *,
        limits: Limits | None = None,
        ignored: Collection[str] = (),
    ) -> None:
        self._store, self._images, self._jobs = store, images, jobs
        self._limits = limits or Limits()
        unknown = sorted(set(ignored) - set(FLAG_KINDS))
        if unknown:
            known = ", ".join(FLAG_KINDS)
            raise ConfigError([f"quality_ignored: unknown {', '.join(unknown)} (of {known})"])
        self._checks = LabelChecks(store, images, inference, limits=self._limits, ignored=ignored)
        self._changed = threading.Condition()
        self._waiting: dict[str, None] = {}
        self._catching_up = False
        self._busy = False
        self._closing = False
        self._thread = SteadyThread("check-labels", self._run)

    def start(self) -> None:
        """Begin with what has not been looked at yet."""
        self.catch_up()
        self._thread.start()

    def look_at(self, image_id: str) -> None:
        """Have an image checked soon: a label of it was saved, withdrawn or reviewed."""
        with self._changed:
            self._waiting[image_id] = None
            self._changed.notify_all()

    def catch_up(self) -> None:
        """Have labels checked that came without :meth:`look_at`, such as imported ones.

        They are not held against their pictures, which :meth:`check_all` does: going through
        thousands of pictures does not begin unasked.
        """
        with self._changed:
            self._catching_up = True
            self._changed.notify_all()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until everything asked for has been looked at; False when that takes longer."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._busy or self._waiting or self._catching_up), timeout_s
            )

    def check_all(self, *, wait: bool = False) -> Job:
        """Begin to check every labelled image, near-duplicates by their pixels included.

        Raises:
            JobConflictError: If that is going on already.
        """
        return self._jobs.start("scoring", TARGET, {}, self._check_all, wait=wait)

    def close(self, *, timeout_s: float = 10.0) -> None:
        """End after the check that is going on."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self.catch_up()  # what an error that ended the loop left unchecked, too
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closing or self._waiting or self._catching_up)
                if self._closing:
                    return
                self._busy = True
                asked = tuple(self._waiting)
                self._waiting.clear()
                catching_up, self._catching_up = self._catching_up, False
            for image_id in asked:
                self._look(image_id, deep=True)
            if catching_up:
                self._look_at_the_rest()

    def _look_at_the_rest(self) -> None:
        try:
            unchecked = self._store.quality.unchecked()
        except SonoloopError as error:
            logger.warning("unchecked labels could not be found: %s", error)
            return
        for image_id in unchecked:
            self._look(image_id, deep=False)

    def _look(self, image_id: str, *, deep: bool) -> None:
        if self._closing:
            return
        try:
            self._checks.check(image_id, deep=deep)
        except SonoloopError as error:
            logger.warning("the labels of image %s were not checked: %s", image_id, error)

    def _check_all(self, handle: JobHandle) -> str:
        ids = self._store.images.labelled_ids()
        thumbnails: dict[str, Thumbnail] = {}
        for done, image_id in enumerate(ids, start=1):
            if handle.should_stop():
                return f"stopped after {done - 1} of {len(ids)} labelled images"
            problem = None
            try:
                self._checks.check(image_id, deep=True)
                pixels = self._images.load(self._store.images.get(image_id)).pixels
                thumbnails[image_id] = thumbnail(np.ascontiguousarray(pixels))
            except SonoloopError as error:
                problem = f"{image_id}: {error}"
                logger.warning("the labels of image %s were not checked: %s", image_id, error)
            handle.report({"done": done, "total": len(ids)}, problem)
        pairs = self._compare_duplicates(thumbnails)
        flagged = len(self._store.quality.open_images())
        return (
            f"{len(ids)} labelled images checked, {pairs} pairs of near-duplicates among them; "
            f"{flagged} images have open flags"
        )

    def _compare_duplicates(self, thumbnails: Mapping[str, Thumbnail]) -> int:
        names = list(thumbnails)
        near: dict[str, dict[str, float]] = {}
        pairs = 0
        for first, second, correlation in near_duplicates(
            list(thumbnails.values()), above=self._limits.duplicate_correlation
        ):
            pairs += 1
            near.setdefault(names[first], {})[names[second]] = correlation
            near.setdefault(names[second], {})[names[first]] = correlation
        for image_id, partners in near.items():
            self._checks.check_duplicates(image_id, partners)
        return pairs


def flag_kind(text: str) -> FlagKind:
    """The kind of flag named by ``text``.

    Raises:
        InvalidRequestError: If there is none of that name.
    """
    for kind in FLAG_KINDS:
        if text == kind:
            return kind
    raise InvalidRequestError(f"unknown kind of flag {text!r:.80} (one of {', '.join(FLAG_KINDS)})")


def flag_state(text: str) -> FlagState:
    """The state of a flag named by ``text``.

    Raises:
        InvalidRequestError: If there is none of that name.
    """
    for state in FLAG_STATES:
        if text == state:
            return state
    raise InvalidRequestError(
        f"unknown state of a flag {text!r:.80} (one of {', '.join(FLAG_STATES)})"
    )


def dismissal(params: Mapping[str, Any]) -> tuple[str, str]:
    """Who dismisses and why: ``reviewer`` (else ``client_id``) and ``reason`` of a request.

    Raises:
        InvalidRequestError: If the reviewer or the reason is missing or too long.
    """
    who = params.get("reviewer") or params.get("client_id")
    reason = params.get("reason")
    for name, value in (("reviewer", who), ("reason", reason)):
        fits = isinstance(value, str) and 0 < len(value.strip()) <= MAX_REASON
        if not fits or "\0" in str(value):  # not every database can keep a NUL
            raise InvalidRequestError(
                f"to dismiss a flag needs {name}, text of at most {MAX_REASON} characters, "
                f"got {value!r:.80}"
            )
    return str(who).strip(), str(reason).strip()


def flag_json(flag: QualityFlag) -> dict[str, Any]:
    """A flag as clients know it."""
    return {
        "id": flag.flag_id,
        "image": flag.image_id,
        "annotation": flag.annotation_id,
        "reader": flag.reader,
        "kind": flag.kind,
        "subject": flag.subject,
        "sentence": flag.sentence,
        "figures": flag.figures,
        "state": flag.state,
        "raised_at": flag.raised_at.isoformat(),
        "resolved_at": flag.resolved_at.isoformat() if flag.resolved_at else None,
        "resolved_by": flag.resolved_by,
        "reason": flag.reason,
    }
