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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np

from sonoloop.errors import ConflictError, DocumentError, NotFoundError
from sonoloop.labels import Pathology
from sonoloop.pacs.port import DicomArchive
from sonoloop.records import ImageRecord, InstanceAddress
from sonoloop.reporting.documents import series_uid
from sonoloop.reporting.foreign import ForeignSegment, read_segmentation
from sonoloop.store.annotations import NewAnnotation
from sonoloop.store.records import Refusal
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the studies looked at and their total."""

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
    images = images_by_study(store)
    chosen = [study for study in images if studies is None or study in studies]
    for done, study in enumerate(chosen, start=1):
        records = images[study]
        found = _read_all(archive, study, records, leave_out, summary)
        for image, segments in _by_image(found, records, summary):
            if _key(segments[0], image) in keys:
                summary.known += 1
            else:
                _register(store, image, segments, summary, trusted=trusted)
        summary.studies = done
        if progress is not None:
            progress(done, len(chosen))
    for refusal in summary.refused:
        logger.info("segmentation %s not taken: %s", refusal.locator, refusal.message)
    return summary


def images_by_study(store: Store) -> dict[str, list[ImageRecord]]:
    """The DICOM images in sight by the UID of their study, oldest first."""
    studies: dict[str, list[ImageRecord]] = {}
    for record in store.images.list():
        if record.study_instance_uid and record.sop_instance_uid:
            studies.setdefault(record.study_instance_uid, []).append(record)
    return studies


def _read_all(
    archive: DicomArchive,
    study: str,
    records: Sequence[ImageRecord],
    leave_out: Collection[str],
    summary: ForeignSummary,
) -> list[ForeignSegment]:
    """Segments of others in the study, oldest segmentation first."""
    ours = {series_uid(record, "segmentation") for record in records}
    found: list[tuple[ForeignSegment, ...]] = []
    for address in archive.instances(study, "SEG"):
        if address.series in ours or address.instance in leave_out:
            continue
        summary.read.add(address.instance)
        segments = _read(archive, address, summary)
        if segments and segments[0].source.ours:
            continue
        summary.seen += 1
        if segments:
            found.append(segments)
    found.sort(key=lambda one: (one[0].source.made_at, one[0].source.number))
    return [segment for segments in found for segment in segments]


def _read(
    archive: DicomArchive, address: InstanceAddress, summary: ForeignSummary
) -> tuple[ForeignSegment, ...]:
    try:
        return read_segmentation(archive.retrieve(address))
    except (DocumentError, NotFoundError) as error:
        summary.refuse(address.instance, "unreadable", str(error))
        return ()


def _by_image(
    segments: Iterable[ForeignSegment], records: Sequence[ImageRecord], summary: ForeignSummary
) -> list[tuple[ImageRecord, list[ForeignSegment]]]:
    """Segments by image and segmentation, in the order they came."""
    images = {(record.sop_instance_uid, record.frame): record for record in records}
    grouped: dict[tuple[str, str], list[ForeignSegment]] = {}
    strangers: dict[str, str] = {}
    for segment in segments:
        instance = segment.source.instance_uid
        record = images.get((segment.image_sop_uid, segment.frame))
        if record is None:
            strangers[instance] = segment.image_sop_uid
        elif segment.mask.shape != (record.rows, record.columns):
            summary.refuse(
                instance,
                "size",
                f"{segment.mask.shape[0]}x{segment.mask.shape[1]} pixels for an image of "
                f"{record.rows}x{record.columns}",
            )
        elif not _is_background(segment):
            grouped.setdefault((record.image_id, instance), []).append(segment)
    for instance, image in strangers.items():
        summary.refuse(instance, "unknown_image", f"no image {image} of that frame is registered")
    by_id = {record.image_id: record for record in records}
    return [(by_id[image], found) for (image, _), found in grouped.items()]


def _register(
    store: Store,
    record: ImageRecord,
    segments: Sequence[ForeignSegment],
    summary: ForeignSummary,
    *,
    trusted: bool,
) -> None:
    source = segments[0].source
    mask = np.any([segment.mask for segment in segments], axis=0)
    new = NewAnnotation(
        image_id=record.image_id,
        pathology=pathology_of(segments),
        reader=_reader(segments[0]),
        info={
            "segmentation": source.instance_uid,
            "manufacturer": source.manufacturer,
            "labels": [segment.label for segment in segments],
        },
        import_key=_key(segments[0], record),
        state="submitted" if trusted else "draft",
    )
    try:
        store.annotations.save(new, mask)
    except ConflictError as error:
        summary.refuse(source.instance_uid, "superseded", str(error))
    else:
        summary.annotations += 1


def pathology_of(segments: Iterable[ForeignSegment]) -> Pathology | None:
    """The worst that labels and codes tell; None where they tell nothing, or both of one segment.

    ``non-malignant`` and the like tell nothing.
    """
    told: set[Pathology] = set()
    for segment in segments:
        words = " | ".join((segment.label, *(meaning for _, _, meaning in segment.codes)))
        own = {Pathology(word.lower()) for word in _WORDS.findall(words)}
        own |= {
            _CODES[value, scheme] for value, scheme, _ in segment.codes if (value, scheme) in _CODES
        }
        if len(own) == 1:
            told |= own
    return next((pathology for pathology in _WORST if pathology in told), None)


def _is_background(segment: ForeignSegment) -> bool:
    return segment.label.strip().lower() == "background" or any(
        (value, scheme) == _BACKGROUND for value, scheme, _ in segment.codes
    )


def _reader(segment: ForeignSegment) -> str:
    source = segment.source
    name = source.creator or f"foreign:{source.manufacturer or 'unknown'}"
    return "".join(c for c in name if c.isprintable())[:MAX_READER]


def _key(segment: ForeignSegment, record: ImageRecord) -> str:
    told = f"segmentation {segment.source.instance_uid} {record.image_id}"
    return hashlib.sha256(told.encode()).hexdigest()


def tally(refused: Iterable[Refusal]) -> Mapping[str, int]:
    """How many were refused, by reason."""
    counts: dict[str, int] = {}
    for refusal in refused:
        counts[refusal.code] = counts.get(refusal.code, 0) + 1
    return counts
