"""The store's images as pixels: found by id, decoded once, encoded the way clients ask."""

import dataclasses
import hashlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol

from sonoloop.errors import InvalidRequestError, NotFoundError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.masks import encode_image
from sonoloop.imaging.read import read_image
from sonoloop.records import ImageRecord
from sonoloop.store.ids import validate_image_id
from sonoloop.store.store import Store

KEPT_BYTES: Final = 64 * 2**20
"""Pixels kept in memory: some eighty images of ordinary size."""

IMAGE_FORMATS: Final = {"nrrd": ".nrrd", "nii.gz": ".nii.gz", "png": ".png"}
"""What ``format=`` may ask for beside ``original``."""


class LocatesPixels(Protocol):
    """The part of a study source that this module needs."""

    def path_of(self, record: ImageRecord) -> Path:
        """A local file with the pixels of ``record``, fetched when they are remote."""


class ImageLibrary:
    """Finds and decodes the store's images; the last few decoded ones are kept."""

    def __init__(
        self, store: Store, source: LocatesPixels, *, kept_bytes: int = KEPT_BYTES
    ) -> None:
        self._store = store
        self._source = source
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[tuple[str, int, int], UltrasoundImage] = OrderedDict()
        self._lock = threading.Lock()
        self._records: tuple[int, dict[str, ImageRecord]] = (-1, {})

    def record(self, identifier: str) -> ImageRecord:
        """The image that ``identifier`` names: its id, or a series or instance UID.

        Raises:
            InvalidIdError: If ``identifier`` could not be an id of ours.
            NotFoundError: If there is no such image.
            AmbiguousImageError: If a series UID names several images.
        """
        writes, known = self._records
        if writes != self._store.writes:  # only the one server of a workspace changes its images
            writes, known = self._records = (self._store.writes, {})
        if identifier not in known:
            known[identifier] = self._store.images.resolve(validate_image_id(identifier))
        return known[identifier]

    def path(self, record: ImageRecord) -> Path:
        """A local file with the pixels of ``record``.

        Raises:
            NotFoundError: If the file is gone.
            PacsError: If the PACS cannot be asked.
        """
        if record.source == "upload":
            path = self._store.paths.uploads / record.locator
        else:
            path = self._source.path_of(record)
        if not path.is_file():
            raise NotFoundError(
                f"the pixels of image {record.image_id} are gone (was the study folder moved?)"
            )
        return path

    def load(self, record: ImageRecord) -> UltrasoundImage:
        """The canonical grey picture of ``record``; the caller leaves its pixels as they are.

        Raises:
            ImageReadError: If the file cannot be read any more.
            NotFoundError: If the file is gone.
            PacsError: If the PACS cannot be asked.
        """
        key = (record.image_id, record.file_size, record.file_mtime_ns)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        image = read_image(self.path(record), frame=record.frame)
        if image.spacing_mm is None and record.spacing_mm is not None:
            image = dataclasses.replace(image, spacing_mm=record.spacing_mm)
        image.pixels.setflags(write=False)
        with self._lock:
            self._kept[key] = image
            while len(self._kept) > 1 and self._held() > self._kept_bytes:
                self._kept.popitem(last=False)
        return image

    def _held(self) -> int:
        return sum(image.pixels.nbytes for image in self._kept.values())

    def encoded(self, record: ImageRecord, image_format: str = "nrrd") -> bytes:
        """The canonical grey picture as a file; the same bytes every time.

        Raises:
            InvalidRequestError: If ``image_format`` is none of :data:`IMAGE_FORMATS`.
            ImageReadError: If the file cannot be read any more.
            NotFoundError: If the file is gone.
            PacsError: If the PACS cannot be asked.
        """
        return encode_image(self.load(record), extension_of(image_format))

    def checksum(self, record: ImageRecord, image_format: str = "nrrd") -> str:
        """``SHA256:<hex>`` of the bytes that :meth:`encoded` gives."""
        return "SHA256:" + hashlib.sha256(self.encoded(record, image_format)).hexdigest()


def extension_of(image_format: str) -> str:
    """File extension of an image format.

    Raises:
        InvalidRequestError: If it is none of :data:`IMAGE_FORMATS`.
    """
    try:
        return IMAGE_FORMATS[image_format]
    except KeyError:
        raise InvalidRequestError(
            f"unknown image format {image_format!r} (one of {', '.join(IMAGE_FORMATS)}, original)"
        ) from None
