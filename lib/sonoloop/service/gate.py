"""The gate at work: measures a candidate beside the serving model and acts on the verdict.

Belongs to the worker process: both models run here, beside no reader's request.
"""

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from sonoloop.datasets.locked import LockedSplit, keys_of, lock
from sonoloop.errors import ConflictError, ModelError
from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.gate import Background, decide, rejected
from sonoloop.evaluation.verdicts import GateDecision
from sonoloop.inference.absent import Absent
from sonoloop.inference.engine import Engine
from sonoloop.inference.evaluate import evaluate_images
from sonoloop.inference.load import load_engine
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.networks.card import read_card
from sonoloop.networks.weights import broken_tensors
from sonoloop.records import LabelledImage, ModelRecord, ModelTask
from sonoloop.settings import GateSettings, PipelineSettings
from sonoloop.store.gates import GateResult
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

ACTOR: Final = "gate"
"""Who publishes what the gate lets through."""

LEADING: Final[dict[ModelTask, str]] = {"segmentation": "dice", "classification": "auc"}
"""Leading figure of a task, as model cards name it."""

OTHER: Final[dict[ModelTask, ModelTask]] = {
    "segmentation": "classification",
    "classification": "segmentation",
}

Advance = Callable[[int, int], None]
"""Told how many measurements are done, of how many; what it raises ends the measuring."""


def locked_split(store: Store, items: Sequence[LabelledImage], *, share: float) -> LockedSplit:
    """Labelled images, divided into trainable and locked, as they always were.

    Places given here for the first time are remembered for good.
    """
    keys = keys_of(items)
    drawn = lock(items, share=share, known=store.gates.places(keys))
    store.gates.remember_places(drawn.places)
    # Another process may have been first; what is remembered counts.
    return lock(items, share=share, known=store.gates.places(keys))


def label_key(item: LabelledImage) -> str:
    """Hash of what is known of an image: another label, another key."""
    digest = hashlib.sha256(str(item.pathology).encode())
    for path in item.mask_paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Gate:
    """Lets a candidate serve, or not.

    Args:
        store: With the candidate registered.
        locked: Locked images with their labels.
        settings: Margins and least evidence.
        pipeline: As the server runs it.
        advance: Told of progress.
    """

    def __init__(
        self,
        store: Store,
        locked: Sequence[LabelledImage],
        *,
        settings: GateSettings,
        pipeline: PipelineSettings,
        advance: Advance = lambda done, total: None,
    ) -> None:
        self._store, self._locked = store, locked
        self._settings, self._pipeline, self._advance = settings, pipeline, advance

    def judge(self, candidate: ModelRecord, *, job_id: str | None = None) -> GateResult:
        """Measure, decide, write it down, and publish when that is the verdict.

        Raises:
            ModelError: If the serving model cannot be loaded.
            StoreError: If the database fails.
        """
        task = candidate.task
        serving = self._store.models.serving(task)
        against = serving.model_id if serving else None
        debt = _debt(self._store, serving)
        decision = self._unless_pinned(task, self._decision(candidate, serving, debt))
        after = min(0.0, debt + (decision.difference or 0.0))
        result = self._store.gates.write(
            candidate.model_id, decision, against=against, debt=after, job_id=job_id
        )
        if result.verdict != "published":
            return result
        try:
            self._store.models.publish(
                candidate.model_id,
                kind="gate",
                actor=ACTOR,
                reason=result.reason,
                gate=result.number,
                instead_of=against,
            )
        except ConflictError as error:
            decision = dataclasses.replace(decision, verdict="held", reason=str(error))
            return self._store.gates.write(
                candidate.model_id, decision, against=against, debt=after, job_id=job_id
            )
        return result

    def _unless_pinned(self, task: ModelTask, decision: GateDecision) -> GateDecision:
        pin = self._store.models.pins().get(task)
        if pin is None or decision.verdict != "published":
            return decision
        why = f"{task} is pinned to {pin.model_id} by {pin.actor or 'somebody'}"
        return dataclasses.replace(decision, verdict="held", reason=f"{why}; {decision.reason}")

    def _decision(
        self, candidate: ModelRecord, serving: ModelRecord | None, debt: float
    ) -> GateDecision:
        broken = broken_tensors(candidate.directory)
        if broken:
            return rejected(
                f"the candidate is broken: {len(broken)} of its tensors hold what is no number "
                f"(first {broken[0]})"
            )
        try:
            own, others = self._measured(candidate, serving)
        except ModelError as error:
            if serving is not None:
                load_engine(serving.directory, self._pipeline)  # its fault is no verdict
            return rejected(f"the candidate cannot be run: {error}")
        background = Background(
            label_keys={item.image_id: label_key(item) for item in self._locked},
            trusted=self._store.gates.trusted(candidate.task),
            reference=reference_figure(self._store, serving) if serving else None,
            debt=debt,
        )
        return decide(candidate.task, own, others, self._settings, background)

    def _measured(
        self, candidate: ModelRecord, serving: ModelRecord | None
    ) -> tuple[list[Case], list[Case] | None]:
        task = candidate.task
        beside = self._engine(OTHER[task], self._store.models.serving(OTHER[task]))
        models = [candidate] if serving is None else [candidate, serving]
        total, done = len(models) * len(self._locked), 0

        def advance() -> None:
            nonlocal done
            done += 1
            self._advance(done, total)

        found = []
        for model in models:
            engine = self._engine(task, model)
            pair = (engine, beside) if task == "segmentation" else (beside, engine)
            pipeline = DualStagePipeline(*pair, self._pipeline)
            cases, left_out = evaluate_images(pipeline, self._locked, advance=advance)
            for image_id, reason in left_out:
                logger.warning("locked image %s cannot be measured: %s", image_id, reason)
            found.append(cases)
        return found[0], found[1] if serving else None

    def _engine(self, task: ModelTask, model: ModelRecord | None) -> Engine:
        return Absent(task) if model is None else load_engine(model.directory, self._pipeline)


def reference_figure(store: Store, serving: ModelRecord) -> float | None:
    """What the leading figure of a serving model was: when it was published, else on its card."""
    result = store.gates.of_model(serving.model_id)
    if result is not None and result.figures and result.figures[0]["candidate"] is not None:
        return float(result.figures[0]["candidate"])
    figures: dict[str, Any] = read_card(serving.directory).metrics.get("validation") or {}
    value = figures.get(LEADING[serving.task])
    return float(value) if isinstance(value, int | float) else None


def _debt(store: Store, serving: ModelRecord | None) -> float:
    """What the serving model lost in publications by the gate; the word of a person settles it."""
    if serving is None:
        return 0.0
    own = (p for p in store.models.history(serving.task) if p.model_id == serving.model_id)
    newest = next((p for p in own if p.kind != "rollback"), None)
    if newest is None or newest.kind != "gate" or newest.gate is None:
        return 0.0
    return store.gates.get(newest.gate).debt
