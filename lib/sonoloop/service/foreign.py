"""Segmentations of other programs become annotations of the images they were drawn on.

Each segmentation is taken once: the key of an imported annotation tells instance and image. What
this program wrote is left alone. All segments of an image make its mask, except background. A
segment whose label or codes speak of ``benign`` or ``malignant`` tells the pathology; no other word
does. Reasons for which one is not taken:

* ``unreadable``    it is no segmentation that can be understood, or the archive does not give it
* ``unknown_image`` it lies on images that are not registered here
* ``size``          it has another size than its image
* ``superseded``    somebody has annotated the image here since
"""

import hashlib
import logging
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

import numpy as np

from sonoloop.errors import ConflictError, DocumentError, NotFoundError, PacsError
from sonoloop.geometry import Mask
from sonoloop.labels import Pathology
from sonoloop.pacs.port import DicomArchive
from sonoloop.records import ImageRecord, InstanceAddress
from sonoloop.reporting.documents import series_uid
from sonoloop.reporting.foreign import (
    Elsewhere,
    ForeignSegment,
    ImageFrame,
    SegmentationSource,
    each_segment,
)
from sonoloop.store.annotations import NewAnnotation
from sonoloop.store.records import Refusal
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the studies looked at and their total."""

GIVE_UP_AFTER: Final = 3
"""Segmentations of a study that the archive fails to give: more are not asked for."""

MAX_READER: Final = 128  # as of readers who submit
_BACKGROUND: Final = ("125040", "DCM")
_WORDS: Final = re.compile(r"(?<!non-)(?<!non )(?<!not )\b(benign|malignant)\b", re.IGNORECASE)
_CODES: Final = {
    ("30807003", "SCT"): Pathology.BENIGN,
    ("21594007", "SCT"): Pathology.MALIGNANT,
}
_WORST: Final = (Pathology.MALIGNANT, Pathology.BENIGN)


@dataclass(slots=True, kw_only=True)
class ForeignSummary:
    """What a look for segmentations of others gave.

    Attributes:
        studies: Looked at.
        seen: Segmentations in them that are not ours.
        known: Annotations that were registered before.
        annotations: Registered now.
        refused: Not taken; the locator is the segmentation's UID.
        read: UIDs of those that were read, ours too.
    """

    studies: int = 0
    seen: int = 0
    known: int = 0
    annotations: int = 0
    refused: list[Refusal] = field(default_factory=list)
    read: set[str] = field(default_factory=set)

    def refuse(self, instance: str, code: str, message: str) -> None:
        """Note that a segmentation was not taken."""
        self.refused.append(Refusal(locator=instance, code=code, message=f"{code}: {message}"))


def import_segmentations(
    store: Store,
    archive: DicomArchive,
    *,
    trusted: bool = False,
    studies: Collection[str] | None = None,
    leave_out: Collection[str] = (),
    progress: Progress | None = None,
) -> ForeignSummary:
    """Register the segmentations of others that lie in the archive and are new here.

    Args:
        store: Its images are looked up; studies without one are not asked for.
        archive: Where the studies are.
        trusted: Count them as submitted; else they are drafts, which count for nothing yet.
        studies: UIDs of the studies to look into; None is all.
        leave_out: UIDs of segmentations that need not be read.
        progress: Told after every study.

    Raises:
        PacsError: If the archive cannot be asked; what was registered until then is kept.
        StoreError: If an annotation cannot be saved.
    """
    summary = ForeignSummary()
    keys = store.annotations.import_keys()
    take = partial(import_study, store, archive, keys=keys, trusted=trusted, leave_out=leave_out)
    images = images_by_study(store)
    chosen = [study for study in images if studies is None or study in studies]
    for done, study in enumerate(chosen, start=1):
        take(study, images[study], summary)
        if progress is not None:
            progress(done, len(chosen))
    return summary


def import_study(
    store: Store,
    archive: DicomArchive,
    study: str,
    records: Sequence[ImageRecord],
    summary: ForeignSummary,
    *,
    keys: Collection[str],
    trusted: bool,
    leave_out: Collection[str],
) -> None:
    """:func:`import_segmentations` of one study, added to ``summary``.

    A segmentation is named as read when all that was read is registered; ``keys`` are those of the
    annotations that were imported before.

    Raises:
        PacsError: If the archive cannot be asked, or fails to give several segmentations.
        StoreError: If an annotation cannot be saved.
    """
    refused = len(summary.refused)
    ours = {series_uid(record, "segmentation") for record in records}
    new = [
        address
        for address in archive.instances(study, "SEG")
        if address.series not in ours and address.instance not in leave_out
    ]
    images = {(record.sop_instance_uid or "", record.frame): record for record in records}
    found, failures = _read_all(archive, new, images, summary)
    _register_all(store, found.values(), summary, keys=keys, trusted=trusted)
    summary.read |= found.keys()
    summary.studies += 1
    for refusal in summary.refused[refused:]:
        logger.info("segmentation %s not taken: %s", refusal.locator, refusal.message)
    if len(failures) == GIVE_UP_AFTER:
        raise failures[-1]


def images_by_study(store: Store) -> dict[str, list[ImageRecord]]:
    """The DICOM images in sight by the UID of their study, oldest first."""
    studies: dict[str, list[ImageRecord]] = {}
    for record in store.images.list():
        if record.study_instance_uid and record.sop_instance_uid:
            studies.setdefault(record.study_instance_uid, []).append(record)
    return studies


@dataclass(slots=True)
class _Drawing:
    """What one segmentation shows on one image; small, for a study may have thousands.

    Attributes:
        packed: The mask, a bit a pixel and compressed.
        told: What its segments tell of the pathology.
    """

    record: ImageRecord
    source: SegmentationSource
    labels: list[str] = field(default_factory=list)
    told: set[Pathology] = field(default_factory=set)
    packed: bytes = b""

    def add(self, segment: ForeignSegment) -> None:
        """One more of its segments."""
        mask = segment.mask | self.mask() if self.packed else segment.mask
        self.packed = zlib.compress(np.packbits(mask).tobytes(), level=1)
        self.labels.append(segment.label)
        self.told |= _told_by(segment)

    def mask(self) -> Mask:
        """(H, W), True on all of its segments."""
        shape = (self.record.rows, self.record.columns)
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(np.bool_)

    @property
    def key(self) -> str:
        """By which it is known that it was imported."""
        told = f"segmentation {self.source.instance_uid} {self.record.image_id}"
        return hashlib.sha256(told.encode()).hexdigest()


def _read_all(
    archive: DicomArchive,
    addresses: Iterable[InstanceAddress],
    images: Mapping[ImageFrame, ImageRecord],
    summary: ForeignSummary,
) -> tuple[dict[str, list[_Drawing]], list[PacsError]]:
    """What each segmentation shows, by its UID, and how the archive failed to give others."""
    found: dict[str, list[_Drawing]] = {}
    failures: list[PacsError] = []
    for address in addresses:
        try:
            found[address.instance] = _read(archive, address, images, summary)
        except PacsError as error:
            summary.refuse(address.instance, "unreadable", str(error))
            failures.append(error)
            if len(failures) == GIVE_UP_AFTER:
                break
    return found, failures


def _read(
    archive: DicomArchive,
    address: InstanceAddress,
    images: Mapping[ImageFrame, ImageRecord],
    summary: ForeignSummary,
) -> list[_Drawing]:
    """What a segmentation of somebody else shows on images that are registered here."""
    try:
        drawings = _drawings(archive.retrieve(address), images, summary)
    except (DocumentError, NotFoundError) as error:
        summary.refuse(address.instance, "unreadable", str(error))
        drawings = []
    if drawings is None:
        return []
    summary.seen += 1
    return drawings


def _drawings(
    data: bytes, images: Mapping[ImageFrame, ImageRecord], summary: ForeignSummary
) -> list[_Drawing] | None:
    """By image, in the order in which they come; None where this program wrote the file."""
    drawings: dict[str, _Drawing] = {}
    problems: dict[str, tuple[str, str]] = {}
    for one in each_segment(data, images):
        instance = one.source.instance_uid
        if one.source.ours:
            return None
        if isinstance(one, Elsewhere):
            told = f"no image {one.image_sop_uid} of that frame is registered"
            problems["unknown_image"] = (instance, told)
            continue
        record = images[one.image_sop_uid, one.frame]
        if one.mask.shape != (record.rows, record.columns):
            told = (
                f"{one.mask.shape[0]}x{one.mask.shape[1]} pixels for an image of "
                f"{record.rows}x{record.columns}"
            )
            problems["size"] = (instance, told)
        elif not _is_background(one):
            drawings.setdefault(record.image_id, _Drawing(record, one.source)).add(one)
    for code, (instance, told) in problems.items():
        summary.refuse(instance, code, told)
    return list(drawings.values())


def _register_all(
    store: Store,
    found: Iterable[Sequence[_Drawing]],
    summary: ForeignSummary,
    *,
    keys: Collection[str],
    trusted: bool,
) -> None:
    """The newest segmentation comes last, and stands."""
    drawn = (drawings for drawings in found if drawings)
    for drawings in sorted(drawn, key=lambda one: (one[0].source.made_at, one[0].source.number)):
        for drawing in drawings:
            if drawing.key in keys:
                summary.known += 1
            else:
                _register(store, drawing, summary, trusted=trusted)


def _register(store: Store, drawing: _Drawing, summary: ForeignSummary, *, trusted: bool) -> None:
    source = drawing.source
    new = NewAnnotation(
        image_id=drawing.record.image_id,
        pathology=_worst(drawing.told),
        reader=_reader(source),
        info={
            "segmentation": source.instance_uid,
            "manufacturer": source.manufacturer,
            "labels": drawing.labels,
        },
        import_key=drawing.key,
        state="submitted" if trusted else "draft",
    )
    try:
        store.annotations.save(new, drawing.mask())
    except ConflictError as error:
        summary.refuse(source.instance_uid, "superseded", str(error))
    else:
        summary.annotations += 1


def pathology_of(segments: Iterable[ForeignSegment]) -> Pathology | None:
    """The worst that labels and codes tell; None where they tell nothing, or both of one segment.

    ``non-malignant`` and the like tell nothing.
    """
    return _worst(pathology for segment in segments for pathology in _told_by(segment))


def _told_by(segment: ForeignSegment) -> set[Pathology]:
    words = " | ".join((segment.label, *(meaning for _, _, meaning in segment.codes)))
    told = {Pathology(word.lower()) for word in _WORDS.findall(words)}
    told |= {
        _CODES[value, scheme] for value, scheme, _ in segment.codes if (value, scheme) in _CODES
    }
    return told if len(told) == 1 else set()


def _worst(told: Iterable[Pathology]) -> Pathology | None:
    known = set(told)
    return next((pathology for pathology in _WORST if pathology in known), None)


def _is_background(segment: ForeignSegment) -> bool:
    return segment.label.strip().lower() == "background" or any(
        (value, scheme) == _BACKGROUND for value, scheme, _ in segment.codes
    )


def _reader(source: SegmentationSource) -> str:
    name = source.creator or f"foreign:{source.manufacturer or 'unknown'}"
    return "".join(c for c in name if c.isprintable())[:MAX_READER]


def tally(refused: Iterable[Refusal]) -> Mapping[str, int]:
    """How many were refused, by reason."""
    counts: dict[str, int] = {}
    for refusal in refused:
        counts[refusal.code] = counts.get(refusal.code, 0) + 1
    return counts
