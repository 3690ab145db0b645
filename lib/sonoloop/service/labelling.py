"""What a reader submits for one image: parsed, checked against the image, and kept."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np

from sonoloop.errors import InvalidRequestError, NotFoundError
from sonoloop.geometry import LabelMap
from sonoloop.imaging.masks import decode_label_map
from sonoloop.labels import LABEL_NAMES, Pathology, parse_birads, parse_pathology
from sonoloop.records import Annotation, ImageRecord, LabelTag
from sonoloop.store.annotations import NewAnnotation
from sonoloop.store.store import Store

DEFAULT_READER: Final = "annotator"
MAX_TEXT: Final = 128
MAX_SECONDS: Final = 24 * 3600.0
MAX_INFO_CHARS: Final = 64 * 1024
MAX_SEGMENTS: Final = 64
MAX_REVISION: Final = 2**31 - 1
SUGGESTION: Final = "suggestion"
"""Name under which the server keeps with a label what its models had told the reader."""

SubmittedState = Literal["draft", "submitted"]
"""What a reader can say of his own label; the other states are for reviewers."""
SUBMITTED_STATES: Final[tuple[SubmittedState, ...]] = get_args(SubmittedState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What came with a label.

    Attributes:
        highest_value: Largest value that means something in the label file.
        segment_pathology: Pathology each value stands for, where its segment is named so.
        info: Everything the client sent, as it sent it.
        base_revision: The reader's own newest revision it was made from, 0 for none; None does
            not check.
        state: A ``draft`` is kept and counts for nothing yet.
    """

    pathology: Pathology | None
    birads: str | None
    reader: str
    source_model: str | None
    seconds_spent: float | None
    highest_value: int
    segment_pathology: dict[int, Pathology]
    info: dict[str, Any]
    base_revision: int | None = None
    state: SubmittedState = "submitted"


def parse_submission(params: Mapping[str, Any]) -> Submission:
    """The parameters of a label, understood.

    ``label_info``, ``[{"name": ..., "idx": ...}]`` as Slicer and OHIF send it, says which values
    the file may hold; without it that is 1 alone. A segment called ``benign`` or ``malignant``
    tells the pathology to clients that have no other way of saying it.

    Raises:
        InvalidRequestError: If a parameter is malformed or out of range.
    """
    segments = _segments(params.get("label_info"))
    if len(str(dict(params))) > MAX_INFO_CHARS:
        raise InvalidRequestError(f"label parameters exceed {MAX_INFO_CHARS} characters")
    return Submission(
        pathology=parse_pathology(params.get("pathology")),
        birads=parse_birads(params.get("birads")),
        reader=reader_of(params),
        source_model=_text(params, "source_model"),
        seconds_spent=_seconds(params.get("seconds_spent")),
        highest_value=max(segments, default=max(LABEL_NAMES.values())),
        segment_pathology={
            value: Pathology(name.lower())
            for value, name in segments.items()
            if name.lower() in (Pathology.BENIGN, Pathology.MALIGNANT)
        },
        info={
            name: value
            for name, value in params.items()
            if value is not None and name != SUGGESTION
        },
        base_revision=_revision(params.get("base_revision")),
        state=_state(params.get("state")),
    )


def reader_of(params: Mapping[str, Any]) -> str:
    """Who speaks: ``reader``, else ``client_id``, else everybody who does not tell his name.

    Raises:
        InvalidRequestError: If the name is no printable text or too long.
    """
    return _text(params, "reader") or _text(params, "client_id") or DEFAULT_READER


def _text(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise InvalidRequestError(
            f"{name} must be printable text of at most {MAX_TEXT} characters, got {value!r:.80}"
        )
    return value


def _revision(value: object) -> int | None:
    if value is None or value == "":
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit()) or int(text[:12]) > MAX_REVISION:
        raise InvalidRequestError(
            f"base_revision must be a revision number or 0, got {value!r:.80}"
        )
    return int(text)


def _state(value: object) -> SubmittedState:
    if value is None or value == "":
        return "submitted"
    for state in SUBMITTED_STATES:
        if value == state:
            return state
    known = ", ".join(SUBMITTED_STATES)
    raise InvalidRequestError(f"unknown state {value!r:.80} of a label (one of {known})")


def _seconds(value: object) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_SECONDS:
        raise InvalidRequestError(
            f"seconds_spent must be a number in [0, {MAX_SECONDS:.0f}], got {value!r:.80}"
        )
    return seconds


def _segments(label_info: object) -> dict[int, str]:
    """Name of each value; empty when the client told none."""
    if label_info is None:
        return {}
    rule = f"label_info must be a list of at most {MAX_SEGMENTS} {{'name': text, 'idx': 1..255}}"
    if not isinstance(label_info, list) or len(label_info) > MAX_SEGMENTS:
        raise InvalidRequestError(f"{rule}, got {label_info!r:.80}")
    segments: dict[int, str] = {}
    for entry in label_info:
        name = entry.get("name") if isinstance(entry, dict) else None
        value = entry.get("idx", len(segments) + 1) if isinstance(entry, dict) else None
        if not isinstance(name, str) or type(value) is not int or not 1 <= value <= 255:
            raise InvalidRequestError(f"{rule}, got the entry {entry!r:.80}")
        segments[value] = name
    return segments


class Labelling:
    """Keeps what readers submit."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(
        self,
        record: ImageRecord,
        tag: LabelTag,
        submission: Submission,
        *,
        file: tuple[bytes, str] | None,
        adjudicates: bool = False,
    ) -> Annotation:
        """Keep a new revision of the label ``tag`` of an image; durable when this returns.

        Args:
            record: The image.
            tag: ``final`` for what a reader says.
            submission: What came with the file.
            file: Bytes and name of the label file; None says, together with the pathology
                ``normal``, that there is no lesion.
            adjudicates: It settles what the readers disagree on.

        Raises:
            LabelReadError: If the file is unreadable, of another size, or holds other values.
            InvalidRequestError: If mask and pathology contradict one another.
            StaleRevisionError: If ``base_revision`` is not the reader's newest any more; what was
                sent is kept as a conflicting revision.
        """
        label_map, pathology = self._outline(record, submission, file)
        new = _new(record, tag, submission, pathology=pathology, adjudicates=adjudicates)
        return self._store.annotations.save(new, label_map)

    def adopt(self, record: ImageRecord, revision: int, submission: Submission) -> Annotation:
        """Settle an image with the outline of one of its final revisions.

        Pathology and BI-RADS are those of that revision where the submission tells none.

        Raises:
            NotFoundError: If the image has no such revision.
            InvalidRequestError: If mask and pathology contradict one another.
            StaleRevisionError: As :meth:`save`.
        """
        label = revision_of(self._store, record.image_id, "final", revision)
        label_map = self._store.annotations.mask(label) if label.mask_path else None
        pathology = submission.pathology or label.pathology
        _raise_if_contradictory(pathology, label_map)
        new = _new(record, "final", submission, pathology=pathology, adjudicates=True)
        return self._store.annotations.save(
            dataclasses.replace(
                new, birads=submission.birads or label.birads, source_model=label.source_model
            ),
            label_map,
        )

    def amend(self, record: ImageRecord, tag: LabelTag, info: Mapping[str, Any]) -> Annotation:
        """Add ``info`` to a label; another pathology or BI-RADS makes a new revision of it.

        Raises:
            NotFoundError: If the image has no such label.
            InvalidRequestError: If ``info`` is malformed or contradicts the mask.
        """
        submission = parse_submission(info)
        label = self._to_amend(record.image_id, tag, submission.reader)
        if label is None:
            raise NotFoundError(f"image {record.image_id} has no label {tag!r}")
        pathology = submission.pathology or label.pathology
        birads = submission.birads or label.birads
        if (pathology, birads) == (label.pathology, label.birads):
            self._store.annotations.update_info(record.image_id, tag, submission.info)
            return label
        label_map = self._store.annotations.mask(label) if label.mask_path else None
        _raise_if_contradictory(pathology, label_map)
        return self._store.annotations.save(
            NewAnnotation(
                image_id=record.image_id,
                tag=tag,
                pathology=pathology,
                birads=birads,
                reader=submission.reader if submission.reader != DEFAULT_READER else label.reader,
                source_model=label.source_model,
                seconds_spent=submission.seconds_spent or label.seconds_spent,
                info=label.info | submission.info,
                adjudicates=label.adjudicates,
            ),
            label_map,
        )

    def _to_amend(self, image_id: str, tag: LabelTag, reader: str) -> Annotation | None:
        """The reader's own newest word, else what holds for the image."""
        if tag == "final":
            own = self._store.annotations.newest_by_reader(image_id).get(reader)
            if own is not None:
                return own
        return self._store.annotations.latest(image_id, tag)

    def _outline(
        self, record: ImageRecord, submission: Submission, file: tuple[bytes, str] | None
    ) -> tuple[LabelMap, Pathology | None]:
        shape = (record.rows, record.columns)
        if file is None:
            if submission.pathology is not Pathology.NORMAL:
                raise InvalidRequestError(
                    "a label needs a file (only pathology=normal, no lesion, goes without)"
                )
            return np.zeros(shape, dtype=np.uint8), Pathology.NORMAL
        values = decode_label_map(*file, shape=shape, max_label=submission.highest_value)
        pathology = submission.pathology or _worst_segment(values, submission.segment_pathology)
        _raise_if_contradictory(pathology, values)
        return _numbered(values), pathology


def _numbered(values: LabelMap) -> LabelMap:
    """Lesions as a client told them apart, counted from 1: those that touch stay two."""
    found, numbers = np.unique(values, return_inverse=True)
    first = 0 if found[0] == 0 else 1  # an outline may cover all of the image
    return np.asarray(numbers.reshape(values.shape) + first, dtype=np.uint8)


def revision_of(store: Store, image_id: str, tag: LabelTag, revision: int) -> Annotation:
    """One revision of an image's label, whatever became of it.

    Raises:
        NotFoundError: If there is no such image or revision.
    """
    for annotation in store.annotations.history(image_id):
        if annotation.tag == tag and annotation.revision == revision:
            return annotation
    raise NotFoundError(f"image {image_id} has no revision {revision} of the label {tag!r}")


def _new(
    record: ImageRecord,
    tag: LabelTag,
    submission: Submission,
    *,
    pathology: Pathology | None,
    adjudicates: bool,
) -> NewAnnotation:
    return NewAnnotation(
        image_id=record.image_id,
        tag=tag,
        pathology=pathology,
        birads=submission.birads,
        reader=submission.reader,
        source_model=submission.source_model,
        seconds_spent=submission.seconds_spent,
        info=submission.info,
        base_revision=submission.base_revision,
        state=submission.state,
        adjudicates=adjudicates,
    )


def _raise_if_contradictory(pathology: Pathology | None, label_map: LabelMap | None) -> None:
    if pathology is Pathology.NORMAL and label_map is not None and label_map.any():
        raise InvalidRequestError(
            f"pathology normal contradicts a mask of {int((label_map > 0).sum())} pixels "
            f"(erase the mask or choose benign or malignant)"
        )


def _worst_segment(values: LabelMap, pathology_of: Mapping[int, Pathology]) -> Pathology | None:
    found = {name for value, name in pathology_of.items() if (values == value).any()}
    for pathology in (Pathology.MALIGNANT, Pathology.BENIGN):
        if pathology in found:
            return pathology
    return None
