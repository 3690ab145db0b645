"""Words for what is doubtful about a label."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

FlagKind = Literal[
    "far_from_model",
    "far_from_reader",
    "fragments",
    "whole_image",
    "outside_picture",
    "mask_without_class",
    "class_without_mask",
    "mask_on_normal",
    "duplicates_disagree",
]
FLAG_KINDS: Final[tuple[FlagKind, ...]] = get_args(FlagKind)

INCOMPLETE: Final[frozenset[FlagKind]] = frozenset({"mask_without_class", "class_without_mask"})
"""Answers that lack something. What they say is not doubtful, and what they lack no training takes
from them: 3D Slicer's module, for one, asks for no class."""

FlagState = Literal["open", "dismissed", "fixed"]
FLAG_STATES: Final[tuple[FlagState, ...]] = get_args(FlagState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something doubtful about one revision of one label.

    Attributes:
        subject: What the label disagrees with: ``reader:<name>``, ``image:<id>``, ``model``; empty
            where it is doubtful by itself.
        sentence: What a reviewer reads.
        figures: The measured values behind it, plain JSON.
    """

    kind: FlagKind
    sentence: str
    subject: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFlag:
    """A doubt as it is kept, and what became of it.

    An open flag keeps its image out of training. It is *dismissed* by a person, who says that the
    label is right as it is, and *fixed* when the label was revised, withdrawn, rejected or
    accepted, or when what it disagreed with has changed.

    Attributes:
        annotation_id: The revision it speaks of.
        reader: Whose label that is.
        resolved_by: Who dismissed it, or the program.
        reason: Why it was dismissed, in that person's words, or None.
    """

    flag_id: int
    image_id: str
    annotation_id: int
    reader: str
    kind: FlagKind
    subject: str
    sentence: str
    figures: dict[str, Any]
    state: FlagState
    raised_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    reason: str | None
