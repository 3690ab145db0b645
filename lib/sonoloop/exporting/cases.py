"""What of the labels is exported: which images, whose outlines, in which fold."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sonoloop.datasets.splits import families
from sonoloop.errors import ImageReadError, InvalidRequestError, LabelReadError, NotFoundError
from sonoloop.exporting.pictures import PathOf
from sonoloop.geometry import Mask
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.labelled import read_labelled
from sonoloop.labels import Pathology
from sonoloop.records import Annotation, LabelledImage
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

FOLD_SALT: Final = "fold"
PSEUDONYM_CHARS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One picture with one label.

    Attributes:
        name: Unique in an export, and safe as the name of a file.
        item: Where picture and outline are, and what is known of them.
        about: What else goes into the export: whose label it is, which revision.
    """

    name: str
    item: LabelledImage
    about: dict[str, Any]

    @property
    def patient(self) -> str:
        """A name for the patient that tells nobody who that is, and is the same in every export."""
        return pseudonym(self.item.patient or self.item.group or self.item.image_id)


def pseudonym(patient: str) -> str:
    """Twelve hexadecimal digits that stand for a patient.

    Example:
        >>> pseudonym("p1") == pseudonym("p1") != pseudonym("p2")
        True
    """
    return hashlib.sha256(patient.encode()).hexdigest()[:PSEUDONYM_CHARS]


def cases_of_truth(images: Sequence[LabelledImage]) -> list[Case]:
    """A case for each image of the training truth."""
    return [Case(name=item.image_id, item=item, about={"origin": "truth"}) for item in images]


def cases_of_reader(store: Store, reader: str, path_of: PathOf) -> list[Case]:
    """What one reader says of each image now, whatever others say and whoever rejected it.

    Raises:
        NotFoundError: If that reader has labelled nothing.
    """
    cases = []
    for image_id, annotations in _histories(store):
        newest = [a for a in annotations if a.reader == reader and a.in_force]
        if newest:
            cases += _case(store, newest[-1], path_of, name=image_id)
    if not cases:
        raise NotFoundError(f"reader {reader!r:.120} has labelled no image whose picture is here")
    return cases


def cases_of_revisions(store: Store, path_of: PathOf) -> list[Case]:
    """Every revision of every reader, also those revised, rejected, conflicting and withdrawn."""
    return [
        case
        for image_id, annotations in _histories(store)
        for annotation in annotations
        for case in _case(store, annotation, path_of, name=f"{image_id}_r{annotation.revision}")
    ]


def _histories(store: Store) -> Iterator[tuple[str, list[Annotation]]]:
    for image in store.images.list():
        history = store.annotations.history(image.image_id)
        final = [annotation for annotation in history if annotation.tag == "final"]
        if final:
            yield image.image_id, final


def _case(store: Store, annotation: Annotation, path_of: PathOf, *, name: str) -> list[Case]:
    image = store.images.get(annotation.image_id)
    try:
        path = path_of(image)
    except NotFoundError as error:
        logger.warning("not exported: %s", error)
        return []
    masks = (store.annotations.mask_file(annotation),) if annotation.mask_path else ()
    item = LabelledImage(
        image_id=image.image_id,
        image_path=path,
        frame=image.frame,
        mask_paths=masks,
        has_mask=bool(masks) or annotation.pathology is Pathology.NORMAL,
        pathology=annotation.pathology,
        birads=annotation.birads,
        patient=image.patient_id or image.study_instance_uid or f"{image.source}:{image.locator}",
        group=image.group,
        split=image.split,
    )
    about = {
        "origin": "revision",
        "reader": annotation.reader,
        "revision": annotation.revision,
        "state": "withdrawn" if annotation.withdrawn_at else annotation.state,
        "in_force": annotation.in_force,
        "created_at": annotation.created_at.isoformat(),
    }
    return [Case(name=name, item=item, about=about)]


def folds_of(cases: Sequence[Case], count: int) -> list[int]:
    """Fold of each case: no patient and no near-duplicate crosses, and folds are equally many.

    Families are ordered by a hash and dealt out in turn, so the same labels give the same folds;
    with fewer families than folds there are only so many folds.

    Raises:
        InvalidRequestError: If ``count`` is below 1.
    """
    if count < 1:
        raise InvalidRequestError(f"labels cannot be divided into {count} folds (at least 1)")
    members = families([case.item for case in cases])
    ordered = sorted(members, key=lambda family: _place(min(item.image_id for item in family)))
    fold_of = {
        item.image_id: rank % count for rank, family in enumerate(ordered) for item in family
    }
    return [fold_of[case.item.image_id] for case in cases]


def _place(name: str) -> str:
    return hashlib.sha256(f"{FOLD_SALT}/{name}".encode()).hexdigest()


def readable(cases: Sequence[Case]) -> Iterator[tuple[Case, UltrasoundImage, Mask]]:
    """Cases with their pixels; those that cannot be read are left out, and the log says why."""
    for case in cases:
        try:
            image, mask = read_labelled(case.item)
        except (ImageReadError, LabelReadError) as error:
            logger.warning("not exported: %s: %s", case.name, error)
            continue
        yield case, image, mask
