"""MONAI Label's inference task over our pipeline."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask

from sonoloop.errors import InvalidRequestError
from sonoloop.networks.card import WEIGHTS_FILE
from sonoloop.records import Findings, ModelTask
from sonoloop.service.analysis import answer_mask, answer_params, parse_form
from sonoloop.service.info import CLASSIFICATION_MODEL, MODELS
from sonoloop.service.server import Service
from sonoloop.tasks.datastore import StoreDatastore
from sonoloop.tasks.errors import reported_to_monailabel


class LesionInfer(InferTask):
    """Findings of the serving pipeline, as the model ``name`` of ``/info`` tells them.

    Args:
        service: Runs the pipeline.
        datastore: Knows which image a path stands for.
        name: One of :data:`sonoloop.service.info.MODELS`.
    """

    def __init__(self, service: Service, datastore: StoreDatastore, name: str) -> None:
        super().__init__(**MODELS[name])
        self._service = service
        self._datastore = datastore
        self._name = name

    def info(self) -> dict[str, Any]:
        """The model as ``/info`` lists it, with the ids of what serves."""
        return {**super().info(), "model_ids": self._service.inference.model_ids}

    def is_valid(self) -> bool:
        """True once models are published."""
        return self._service.inference.state != "empty"

    def get_path(self, validate: bool = True) -> str | None:
        """File of the serving weights, or None while none serve."""
        task: ModelTask = "classification" if self._name == CLASSIFICATION_MODEL else "segmentation"
        record = self._service.store.models.serving(task)
        return str(record.directory / WEIGHTS_FILE) if record else None

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Analyse ``request["image"]``, the path of one image.

        Returns:
            The mask as a file that is the caller's to delete (the classifier makes none), and the
            findings.
        """
        with reported_to_monailabel():
            form = parse_form(request)
            findings = self._findings(request.get("image"))
            params = answer_params(self._name, findings, form)
            if self._name == CLASSIFICATION_MODEL:
                return None, params
            data = answer_mask(findings, form)
        handle, path = tempfile.mkstemp(suffix=form.extension, prefix="mask-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return path, params

    def _findings(self, image: object) -> Findings:
        image_id = self._datastore.id_of(image) if isinstance(image, str) else None
        if image_id:
            return self._service.analysis.of_image(image_id)
        if not isinstance(image, str) or not Path(image).is_file():
            raise InvalidRequestError(
                f"image must be the id of an image or the path of a file, got {image!r:.80}"
            )
        path = Path(image)
        return self._service.analysis.of_file(path.read_bytes(), path.name)
