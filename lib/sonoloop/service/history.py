"""Everything that is known to have happened to one image."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sonoloop.errors import NotFoundError
from sonoloop.quality.doubt import QualityFlag
from sonoloop.records import Annotation, ImageRecord, Lease, ModelRecord, Review, Skip
from sonoloop.service.quality import flag_json
from sonoloop.store.events import Event, EventKind
from sonoloop.store.store import Store

TOLD_BY_ROWS: Final[frozenset[EventKind]] = frozenset(
    {
        "annotation_saved",
        "annotation_conflicting",
        "review",
        "adjudication",
        "skip",
        "quality_flag_raised",
        "quality_flag_resolved",
    }
)
"""Events that say what a revision, review, skip or flag says better."""

SHA_CHARS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of a history.

    Attributes:
        who: Reader, reviewer, client, or the program.
        what: Such as ``revision`` or ``review``; an event's kind where it comes from the log.
        told: The rest, for people.
    """

    at: datetime
    who: str
    what: str
    told: str

    def as_json(self) -> dict[str, Any]:
        """The line as clients know it."""
        return {"at": self.at.isoformat(), "who": self.who, "what": self.what, "told": self.told}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHistory:
    """What is known of an image, kind by kind, each oldest first.

    Attributes:
        models: Those that proposed a mask for it, with where they come from.
        leases: Who holds it now; past ones are among the events.
    """

    image: ImageRecord
    annotations: list[Annotation]
    reviews: list[Review]
    skips: list[Skip]
    leases: list[Lease]
    flags: list[QualityFlag]
    models: list[ModelRecord]
    events: list[Event]

    def timeline(self) -> list[Happening]:
        """Everything in the order in which it happened."""
        lines = [
            *self._of_annotations(),
            *self._of_readers(),
            *self._of_flags(),
            *self._of_models(),
            *(_of_event(event) for event in self.events if event.kind not in TOLD_BY_ROWS),
        ]
        return sorted(lines, key=lambda line: line.at)

    def _of_annotations(self) -> Iterator[Happening]:
        withdrawals = {event.kind for event in self.events} & {"annotation_withdrawn"}
        for one in self.annotations:
            yield Happening(at=one.created_at, who=one.reader, what=_kind_of(one), told=_told(one))
            if one.withdrawn_at is not None and not withdrawals:
                told = f"{one.tag} revision {one.revision}"
                yield Happening(at=one.withdrawn_at, who="", what="withdrawal", told=told)

    def _of_readers(self) -> Iterator[Happening]:
        numbers = {one.annotation_id: f"{one.tag} {one.revision}" for one in self.annotations}
        for review in self.reviews:
            told = f"{review.verdict} {numbers.get(review.annotation_id, '')}".strip()
            told += f": {review.note}" if review.note else ""
            yield Happening(at=review.created_at, who=review.reviewer, what="review", told=told)
        for skip in self.skips:
            told = skip.reason + (" (taken back)" if skip.withdrawn_at else "")
            yield Happening(at=skip.created_at, who=skip.reader, what=skip.kind, told=told.strip())
        for lease in self.leases:
            told = f"until {lease.expires_at.isoformat(timespec='seconds')}, {lease.strategy}: "
            told += lease.reason
            yield Happening(at=lease.taken_at, who=lease.reader, what="lease", told=told)

    def _of_flags(self) -> Iterator[Happening]:
        for flag in self.flags:
            told = f"{flag.kind} of {flag.reader}: {flag.sentence}"
            yield Happening(at=flag.raised_at, who="sonoloop", what="flag raised", told=told)
            if flag.resolved_at is not None:
                told = f"{flag.kind} of {flag.reader} {flag.state}"
                told += f": {flag.reason}" if flag.reason else ""
                yield Happening(
                    at=flag.resolved_at, who=flag.resolved_by or "", what="flag closed", told=told
                )

    def _of_models(self) -> Iterator[Happening]:
        for model in self.models:
            told = f"{model.task} {model.model_id} ({model.architecture}"
            told += f", from {model.parent_id}" if model.parent_id else ""
            told += ", serves now)" if model.serving else ")"
            yield Happening(at=model.created_at, who="sonoloop", what="model made", told=told)

    def as_json(self) -> dict[str, Any]:
        """The history as clients know it."""
        image = self.image
        return {
            "image": {
                "id": image.image_id,
                "source": image.source,
                "rows": image.rows,
                "columns": image.columns,
                "labelled": image.labelled,
                "readers_wanted": image.readers_wanted,
                "readers_done": image.readers_done,
                "available": image.available,
            },
            "timeline": [line.as_json() for line in self.timeline()],
            "annotations": [_annotation_json(one) for one in self.annotations],
            "reviews": [
                {
                    "annotation": review.annotation_id,
                    "reviewer": review.reviewer,
                    "verdict": review.verdict,
                    "note": review.note,
                    "at": review.created_at.isoformat(),
                }
                for review in self.reviews
            ],
            "skips": [
                {
                    "reader": skip.reader,
                    "kind": skip.kind,
                    "reason": skip.reason,
                    "at": skip.created_at.isoformat(),
                    "withdrawn_at": _stamp(skip.withdrawn_at),
                }
                for skip in self.skips
            ],
            "leases": [
                {
                    "reader": lease.reader,
                    "strategy": lease.strategy,
                    "reason": lease.reason,
                    "taken_at": lease.taken_at.isoformat(),
                    "expires_at": lease.expires_at.isoformat(),
                }
                for lease in self.leases
            ],
            "flags": [flag_json(flag) for flag in self.flags],
            "models": [
                {
                    "model_id": model.model_id,
                    "task": model.task,
                    "architecture": model.architecture,
                    "parent_id": model.parent_id,
                    "created_at": model.created_at.isoformat(),
                    "serving": model.serving,
                }
                for model in self.models
            ],
            "events": [event_json(event) for event in self.events],
        }


def image_history(store: Store, image_id: str) -> ImageHistory:
    """Everything that is known to have happened to an image.

    Raises:
        NotFoundError: If there is no such image.
    """
    image = store.images.get(image_id)
    annotations = store.annotations.history(image_id)
    named = {one.source_model for one in annotations if one.source_model}
    return ImageHistory(
        image=image,
        annotations=annotations,
        reviews=store.reviews.history(image_id),
        skips=store.skips.history(image_id),
        leases=[lease for lease in store.leases.active() if lease.image_id == image_id],
        flags=store.quality.list(state=None, image_id=image_id, limit=None)[::-1],
        models=[model for name in sorted(named) for model in _known(store, name)],
        events=store.events.list(image_id=image_id, limit=None)[::-1],
    )


def _known(store: Store, model_id: str) -> list[ModelRecord]:
    """The model of that id; none where a client named one that was never registered here."""
    try:
        return [store.models.get(model_id)]
    except NotFoundError:
        return []


def _kind_of(annotation: Annotation) -> str:
    if annotation.adjudicates:
        return "adjudication"
    return "draft" if annotation.tag == "original" else "revision"


def _told(one: Annotation) -> str:
    facts = [
        f"{one.tag} {one.revision}",
        one.state + ("" if one.in_force else ", superseded"),
        one.pathology or "no class",
        f"BI-RADS {one.birads}" if one.birads else "",
        f"mask {(one.mask_sha256 or '')[:SHA_CHARS]}" if one.mask_path else "no mask",
        f"from model {one.source_model}" if one.source_model else "",
        f"made from revision {one.base_revision}" if one.base_revision is not None else "",
        f"{one.seconds_spent:.1f} s" if one.seconds_spent is not None else "",
    ]
    return "; ".join(fact for fact in facts if fact)


def _of_event(event: Event) -> Happening:
    facts = [f"model {event.model_id}"] if event.model_id else []
    facts += [f"{name} {value}" for name, value in event.details.items() if value not in ("", None)]
    return Happening(
        at=event.created_at,
        who=event.actor,
        what=event.kind.replace("_", " "),
        told=", ".join(facts),
    )


def _annotation_json(one: Annotation) -> dict[str, Any]:
    return {
        "annotation": one.annotation_id,
        "tag": one.tag,
        "revision": one.revision,
        "reader": one.reader,
        "state": one.state,
        "in_force": one.in_force,
        "adjudicates": one.adjudicates,
        "base_revision": one.base_revision,
        "pathology": one.pathology,
        "birads": one.birads,
        "mask_sha256": one.mask_sha256,
        "source_model": one.source_model,
        "seconds_spent": one.seconds_spent,
        "at": one.created_at.isoformat(),
        "withdrawn_at": _stamp(one.withdrawn_at),
    }


def event_json(event: Event) -> dict[str, Any]:
    """An event as clients know it."""
    return {
        "id": event.event_id,
        "kind": event.kind,
        "actor": event.actor,
        "image": event.image_id,
        "model": event.model_id,
        "details": event.details,
        "at": event.created_at.isoformat(),
    }


def _stamp(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()
