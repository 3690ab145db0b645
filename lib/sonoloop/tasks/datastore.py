"""MONAI Label's datastore over our store."""

import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.exception import ImageNotFoundException, LabelNotFoundException

from sonoloop.errors import NotFoundError
from sonoloop.labels import LABEL_NAMES, Pathology
from sonoloop.records import Annotation, ImageRecord
from sonoloop.service.archive import write_archive
from sonoloop.service.batch import DRAFT_READER
from sonoloop.service.info import DESCRIPTION, NAME
from sonoloop.service.labelling import parse_submission
from sonoloop.service.listing import image_json, label_json
from sonoloop.service.server import Service
from sonoloop.service.truth import training_truth
from sonoloop.store.ids import LABEL_TAGS, validate_tag
from sonoloop.tasks.errors import reported_to_monailabel

TITLE_FILE: Final = "datastore.json"
FRAMES_DIR: Final = "frames"


class StoreDatastore(Datastore):
    """The images and labels of a service; the id of a label is that of its image.

    Errors come as ``MONAILabelException``, with our sentence; an image or label that does not
    exist as ``ImageNotFoundException`` or ``LabelNotFoundException``.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._id_of: dict[str, str] = {}

    # The title

    def name(self) -> str:
        """Name of the datastore."""
        return str(self._title()["name"])

    def set_name(self, name: str) -> None:
        """Call the datastore otherwise."""
        self._entitle({"name": name})

    def description(self) -> str:
        """What a user wrote of the datastore."""
        return str(self._title()["description"])

    def set_description(self, description: str) -> None:
        """Describe the datastore otherwise."""
        self._entitle({"description": description})

    def _title(self) -> dict[str, Any]:
        own = {"name": NAME, "description": DESCRIPTION}
        path = self._service.store.paths.root / TITLE_FILE
        return own | (json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {})

    def _entitle(self, title: dict[str, str]) -> None:
        path = self._service.store.paths.root / TITLE_FILE
        _write(path, json.dumps(self._title() | title).encode())

    # Images

    def list_images(self) -> list[str]:
        """Ids of every image."""
        return [record.image_id for record in self._service.store.images.list()]

    def get_image(self, image_id: str, params: Mapping[str, Any] | None = None) -> io.BytesIO:
        """The file of :meth:`get_image_uri`, as a stream."""
        return io.BytesIO(Path(self.get_image_uri(image_id)).read_bytes())

    def get_image_uri(self, image_id: str) -> str:
        """Path of a file that holds this one image.

        That is the image's own file, or, for a frame of a cine, the grey picture of that frame as
        NRRD: nothing in the path of a cine would say which frame is meant.
        """
        with reported_to_monailabel():
            record = self._record(image_id)
            uri = str(self._file(record))
        self._id_of[uri] = record.image_id
        return uri

    def id_of(self, uri: str) -> str | None:
        """Id of the image for which :meth:`get_image_uri` gave ``uri``, or None."""
        return self._id_of.get(uri)

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """What is known of an image."""
        with reported_to_monailabel():
            return image_json(self._record(image_id))

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Add to the free part of what is known of an image."""
        with reported_to_monailabel():
            self._service.store.images.update_info(self._record(image_id).image_id, info)

    def add_image(
        self, image_id: str | None, image_filename: str, image_info: dict[str, Any] | None
    ) -> str:
        """Keep a copy of an image; its id, which is ``image_id`` when one is given."""
        path = Path(image_filename)
        with reported_to_monailabel():
            record = self._service.uploads.add(
                path.read_bytes(), path.name, image_id=image_id or "", info=image_info or {}
            )
        self._service.info.touch()
        return record.image_id

    def remove_image(self, image_id: str) -> None:
        """Forget an image that was added here and that nobody has labelled."""
        with reported_to_monailabel():
            self._service.uploads.remove(self._record(image_id))
        self._service.info.touch()

    # Labels

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        """Label id by tag, of every tag the image has a label of."""
        with reported_to_monailabel():
            record = self._record(image_id)
            latest = self._service.store.annotations.latest
            return {tag: record.image_id for tag in LABEL_TAGS if latest(record.image_id, tag)}

    def get_label_by_image_id(self, image_id: str, tag: str) -> str:
        """Label id, or the empty string when the image has no such label."""
        return self.get_labels_by_image_id(image_id).get(tag, "")

    def get_label(
        self, label_id: str, label_tag: str, params: Mapping[str, Any] | None = None
    ) -> io.BytesIO:
        """The file of :meth:`get_label_uri`, as a stream."""
        return io.BytesIO(Path(self.get_label_uri(label_id, label_tag)).read_bytes())

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """Path of the label map: PNG, 0 and 1, on the image's own grid."""
        with reported_to_monailabel():
            label = self._label(label_id, label_tag)
            return str(self._service.store.annotations.mask_file(label))

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """What is known of a label."""
        with reported_to_monailabel():
            return label_json(self._label(label_id, label_tag))

    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        """Add to what is known of a label; another pathology or BI-RADS is a new revision."""
        with reported_to_monailabel():
            self._label(label_id, label_tag)
            self._service.amend_label(label_id, validate_tag(label_tag), info)

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]
    ) -> str:
        """Keep a label; what was there before stays in the history."""
        path = Path(label_filename)
        with reported_to_monailabel():
            record = self._record(image_id)
            submission = parse_submission(_as_submitted(label_info or {}))
            annotation = self._service.save_label(
                record.image_id,
                validate_tag(label_tag),
                submission,
                file=(path.read_bytes(), path.name),
            )
        return annotation.image_id

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Take a label back: the image counts as unlabelled again, the history keeps it."""
        with reported_to_monailabel():
            label = self._label(label_id, label_tag)
            self._service.withdraw(label.image_id, label.tag)

    # The pool

    def get_labeled_images(
        self, label_tag: str | None = None, labels: list[str] | None = None
    ) -> list[str]:
        """Ids of images with a label.

        Args:
            label_tag: Kind of label; None is ``final``.
            labels: Names of which the label must be able to hold one; None is any.
        """
        if labels and not set(labels) & set(LABEL_NAMES):
            return []
        tag = self._tag(label_tag)
        if tag == "final":
            return list(self._service.store.images.labelled_ids())
        standing = self._service.store.annotations.standing()
        return [image_id for image_id, by_tag in standing.items() if tag in by_tag]

    def get_unlabeled_images(
        self, label_tag: str | None = None, labels: list[str] | None = None
    ) -> list[str]:
        """Ids of images without such a label; see :meth:`get_labeled_images`."""
        if not labels and self._tag(label_tag) == "final":
            return list(self._service.store.images.unlabelled_ids())
        labelled = set(self.get_labeled_images(label_tag, labels))
        return [image_id for image_id in self.list_images() if image_id not in labelled]

    def datalist(self) -> list[dict[str, Any]]:
        """Paths of image and label map of every image that a training would learn from."""
        method = self._service.settings.consensus
        items = training_truth(self._service.store, self._file, method=method)
        return [
            {"image": str(item.image_path), "label": str(item.mask_paths[0])}
            for item in items
            if item.mask_paths
        ]

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """Path of a ZIP file with every labelled image; the caller's to delete."""
        with reported_to_monailabel():
            path = write_archive(self._service.store, self._service.images, limit=limit_cases)
        return str(path)

    def refresh(self) -> None:
        """Look for new studies now."""
        self._service.scanner.scan()

    def status(self) -> dict[str, Any]:
        """Counts of images and labels."""
        return dict(self._service.info.get()["datastore"])

    def json(self) -> dict[str, Any]:
        """Every image with its labels."""
        return self._service.datastore() | self._title()

    # What the others stand on

    def _record(self, image_id: str) -> ImageRecord:
        try:
            return self._service.images.record(image_id)
        except NotFoundError as error:
            raise ImageNotFoundException(str(error)) from error

    def _label(self, label_id: str, label_tag: str) -> Annotation:
        record = self._record(label_id)
        label = self._service.store.annotations.latest(record.image_id, self._tag(label_tag))
        if label is None:
            raise LabelNotFoundException(f"image {record.image_id} has no label {label_tag!r}")
        return label

    def _file(self, record: ImageRecord) -> Path:
        if record.frame_count == 1:
            return self._service.images.path(record)
        path = self._service.store.paths.cache / FRAMES_DIR / f"{record.image_id}.nrrd"
        _write(path, self._service.images.encoded(record))
        return path

    @staticmethod
    def _tag(label_tag: str | None) -> Any:
        with reported_to_monailabel():
            return validate_tag(label_tag or "final")


def _as_submitted(info: Mapping[str, Any]) -> dict[str, Any]:
    """``info`` in the words of a submission.

    MONAI Label keeps a draft with ``{"model": name, "params": what the inference said}``.
    """
    found = info.get("params")
    if not isinstance(found, Mapping) or "models" not in found:
        return dict(info)
    pathology = found.get("pathology")
    if pathology == Pathology.NORMAL and found.get("lesions"):
        pathology = None  # outlined, but taken for nothing: that is no statement of a reader
    source = found["models"].get("segmentation")
    return {"reader": DRAFT_READER, "pathology": pathology, "source_model": source, **info}


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
