"""How far the readers of this workspace agree, on one image and on all of them."""

import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

from sonoloop.errors import StoreError
from sonoloop.evaluation.agreement import ImagePair, image_pairs, reader_pairs, together
from sonoloop.evaluation.readings import Reading
from sonoloop.records import Annotation, ImageRecord
from sonoloop.service.truth import reading_of
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

WORST: Final = 10
"""Images that are told with the readings that differ most."""


class Agreement:
    """Figures of agreement; outlines are compared once, for revisions never change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._compared: dict[str, tuple[tuple[int, ...], list[ImagePair]]] = {}
        self._lock = threading.Lock()

    def of_image(self, image: ImageRecord) -> dict[str, Any]:
        """Every two readers of one image, by what each says of it now.

        Raises:
            StoreError: If a label file is gone or was changed behind our back.
        """
        said = self._store.annotations.newest_by_reader(image.image_id).values()
        readings = [annotation for annotation in said if annotation.state != "rejected"]
        return {
            "image": image.image_id,
            "readers": sorted(annotation.reader for annotation in readings),
            "pairs": [pair.as_json() for pair in self._pairs(image, readings)],
        }

    def overall(self) -> dict[str, Any]:
        """Every two readers over all images both have read, and all readers together.

        An image with a label file that cannot be read is left out and counted as ``unreadable``.
        """
        pairs: list[tuple[str, ImagePair]] = []
        shared: list[list[Reading]] = []
        unreadable = 0
        for image, annotations in self._store.annotations.answers(min_readers=2):
            said = [
                annotation
                for annotation in annotations
                if annotation.in_force and not annotation.adjudicates
            ]
            if len(said) < 2:
                continue  # the others called it not assessable
            try:
                found = self._pairs(image, said)
            except StoreError as error:
                logger.warning("agreement leaves out %s: %s", image.image_id, error)
                unreadable += 1
                continue
            pairs += [(image.image_id, pair) for pair in found]
            shared.append([_without_outline(annotation) for annotation in said])
        return {
            "pairs": [pair.as_json() for pair in reader_pairs([pair for _, pair in pairs])],
            "together": together(shared).as_json(),
            "worst": _worst(pairs),
            "unreadable": unreadable,
        }

    def _pairs(self, image: ImageRecord, said: Sequence[Annotation]) -> list[ImagePair]:
        key = tuple(sorted(annotation.annotation_id for annotation in said))
        with self._lock:
            known = self._compared.get(image.image_id)
        if known is not None and known[0] == key:
            return known[1]
        pairs = image_pairs([reading_of(self._store, one, image) for one in said])
        with self._lock:
            self._compared[image.image_id] = (key, pairs)
        return pairs


def _without_outline(annotation: Annotation) -> Reading:
    return Reading(
        reader=annotation.reader, pathology=annotation.pathology, birads=annotation.birads
    )


def _worst(pairs: Sequence[tuple[str, ImagePair]]) -> list[dict[str, Any]]:
    """The images on which two outlines overlap least; those without a lesion tell nothing."""
    lesions = [
        (pair.outlines.dice, image_id, pair)
        for image_id, pair in pairs
        if pair.outlines is not None and pair.outlines.lesions
    ]
    lesions.sort(key=lambda one: one[:2])
    return [{"image_id": image_id} | pair.as_json() for _, image_id, pair in lesions[:WORST]]
