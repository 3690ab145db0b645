"""What is believed of each image: the truth that trainings, gates and scores learn or measure by.

An adjudication stands before what a reviewer accepted, that before what the readers submitted;
several readers become one by :mod:`sonoloop.evaluation.consensus`. Drafts, rejected, conflicting
and withdrawn revisions say nothing. Left out are images

* that wait for further readers,
* that at least half of their readers call not assessable, and
* with an open quality flag (those far from the model's outline only while they are few; a missing
  class or outline is listed, but what was said is learned from),

each unless an adjudication or a reviewer's acceptance stands.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from sonoloop.errors import NotFoundError, StoreError
from sonoloop.evaluation.consensus import consensus, most_suspicious_frequent, worst_most_frequent
from sonoloop.evaluation.readings import Reading
from sonoloop.labels import Pathology
from sonoloop.quality.doubt import INCOMPLETE
from sonoloop.records import Annotation, ImageRecord, LabelledImage
from sonoloop.settings import ConsensusMethod
from sonoloop.store import files
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

PathOf: TypeAlias = Callable[[ImageRecord], Path]
Standing: TypeAlias = Literal["adjudicated", "accepted", "submitted"]

FOLDER: Final = "consensus"
FORM: Final = "sonoloop-consensus-1"
"""Part of every name in the cache; another number whenever the rules change."""
MODEL_DOUBTED: Final = 1 / 3
"""When more than this share of the answered images is far from the serving model's outline, and
doubtful for nothing else, they are learned from all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Whose word counts for an image.

    Attributes:
        standing: Why it counts.
        annotations: One of each reader whose word it is, at least one.
    """

    image: ImageRecord
    standing: Standing
    annotations: tuple[Annotation, ...]

    @property
    def pathology(self) -> Pathology | None:
        """What they say together."""
        return worst_most_frequent([annotation.pathology for annotation in self.annotations])

    @property
    def birads(self) -> str | None:
        """What they say together."""
        return most_suspicious_frequent([annotation.birads for annotation in self.annotations])


def locator_of(image: ImageRecord) -> Path:
    """Stands for the image's file where nobody opens it."""
    return Path(image.locator)


def believe(image: ImageRecord, annotations: Sequence[Annotation]) -> Belief:
    """Whose word counts, of the annotations that hold for an image, the weightiest first."""
    first = annotations[0]
    if first.adjudicates:
        return Belief(image=image, standing="adjudicated", annotations=(first,))
    accepted = [annotation for annotation in annotations if annotation.state == "accepted"]
    newest: dict[str, Annotation] = {}
    for annotation in accepted or annotations:
        newest.setdefault(annotation.reader, annotation)
    standing: Standing = "accepted" if accepted else "submitted"
    return Belief(image=image, standing=standing, annotations=tuple(newest.values()))


def beliefs(store: Store, *, doubted_too: bool = False) -> list[Belief]:
    """What is believed of every image that may be learned from, oldest image first.

    Args:
        store: Where images and annotations are.
        doubted_too: Keep images with an open quality flag.
    """
    refused: dict[str, int] = {}
    for skip in store.skips.standing("not_assessable"):
        refused[skip.image_id] = refused.get(skip.image_id, 0) + 1
    found = [believe(image, annotations) for image, annotations in store.annotations.answers()]
    doubted = frozenset() if doubted_too else _doubted(store, found)
    return [
        belief
        for belief in found
        if belief.standing != "submitted"
        or (
            belief.image.labelled
            and belief.image.image_id not in doubted
            and refused.get(belief.image.image_id, 0) < len(belief.annotations)
        )
    ]


def _doubted(store: Store, found: Sequence[Belief]) -> frozenset[str]:
    """Images whose labels are doubted.

    A label far from the model's outline says little when the model is wrong everywhere, as a new
    one or one of other scanners is: then it is the model that is doubted.
    """
    doubted = store.quality.open_images(besides=INCOMPLETE)
    alone = doubted - store.quality.open_images(besides=INCOMPLETE | {"far_from_model"})
    far = sum(belief.image.image_id in alone for belief in found)
    return doubted - alone if far > MODEL_DOUBTED * len(found) else doubted


def training_truth(
    store: Store,
    path_of: PathOf = locator_of,
    *,
    method: ConsensusMethod = "majority",
    outlines: bool = True,
    doubted_too: bool = False,
) -> list[LabelledImage]:
    """The images a training may learn from, oldest first.

    Args:
        store: Where images and annotations are.
        path_of: Local file of an image; an image for which it raises NotFoundError is left out,
            and the log says how many were.
        method: How outlines of several readers become one.
        outlines: False spares making outlines of several readers: each image then lists those of
            its readers, which is enough to count by.
        doubted_too: Keep images with an open quality flag. For figures that compare a model with
            readers: without the labels far from it, it would look better than it is.

    Raises:
        StoreError: If the cache of the workspace cannot be written.
    """
    images, gone = [], 0
    for belief in beliefs(store, doubted_too=doubted_too):
        try:
            path = path_of(belief.image)
        except NotFoundError:
            gone += 1
            continue
        masks = _masks(store, belief, method) if outlines else _every_mask(store, belief)
        images.append(_labelled(belief, path, masks))
    if gone:
        logger.warning("%s labelled images are left out: their files have gone", gone)
    return images


def reading_of(store: Store, annotation: Annotation, image: ImageRecord) -> Reading:
    """An annotation as agreement and consensus read it; "normal" without a file is an empty mask.

    Raises:
        StoreError: If its label file is gone or was changed behind our back.
    """
    mask = None
    if annotation.mask_path is not None:
        mask = store.annotations.mask(annotation) > 0
    elif annotation.pathology is Pathology.NORMAL:
        mask = np.zeros((image.rows, image.columns), dtype=bool)
    return Reading(
        reader=annotation.reader,
        mask=mask,
        pathology=annotation.pathology,
        birads=annotation.birads,
    )


def _masks(store: Store, belief: Belief, method: ConsensusMethod) -> tuple[Path, ...]:
    if len(belief.annotations) == 1:
        return _every_mask(store, belief)
    folder = store.paths.cache / FOLDER
    name = _name(belief, method)
    path, none = folder / f"{name}.png", folder / f"{name}.none"
    if not path.is_file() and not none.is_file():
        folder.mkdir(exist_ok=True)
        try:
            readings = [reading_of(store, one, belief.image) for one in belief.annotations]
        except StoreError as error:
            logger.warning("no consensus of %s: %s", belief.image.image_id, error)
            return ()
        mask = consensus(readings, method=method).mask
        data = b"" if mask is None else files.encode_png(mask.astype(np.uint8))
        incoming = files.write_incoming(folder, data)
        files.move_into_place(incoming, none if mask is None else path)
    return (path,) if path.is_file() else ()


def _name(belief: Belief, method: ConsensusMethod) -> str:
    """The same for the same outlines and pathologies, whoever gave them."""
    said = sorted(f"{one.mask_sha256}:{one.pathology}" for one in belief.annotations)
    return hashlib.sha256("|".join([FORM, method, *said]).encode()).hexdigest()


def _every_mask(store: Store, belief: Belief) -> tuple[Path, ...]:
    given = [one for one in belief.annotations if one.mask_path is not None]
    return tuple(store.annotations.mask_file(one) for one in given)


def _labelled(belief: Belief, path: Path, masks: tuple[Path, ...]) -> LabelledImage:
    image = belief.image
    return LabelledImage(
        image_id=image.image_id,
        image_path=path,
        frame=image.frame,
        mask_paths=masks,
        has_mask=bool(masks) or belief.pathology is Pathology.NORMAL,
        pathology=belief.pathology,
        birads=belief.birads,
        patient=image.patient_id or image.study_instance_uid or f"{image.source}:{image.locator}",
        group=image.group,
        split=image.split,
        device=image.info.get("device"),
        label_conflict=bool(image.info.get("label_conflict", False)),
    )
