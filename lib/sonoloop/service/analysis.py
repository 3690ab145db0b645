"""One request for findings: which image, which model, and how the answer is to look."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from sonoloop.errors import InvalidRequestError, NotFoundError
from sonoloop.evaluation.heat import heat_overlay
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.masks import LABEL_EXTENSIONS, encode_label_map
from sonoloop.inference.explain import Explanation
from sonoloop.inference.findings_json import findings_to_params
from sonoloop.labels import PATHOLOGIES
from sonoloop.records import Findings
from sonoloop.service.batch import LESION_MODEL
from sonoloop.service.images import ImageLibrary
from sonoloop.service.incoming import receive_image
from sonoloop.service.inference import InferenceService
from sonoloop.service.info import CLASSIFICATION_MODEL
from sonoloop.service.lesion_sizes import sizes_of
from sonoloop.service.sessions import Sessions
from sonoloop.store.files import disk_told

INFER_MODELS: Final = (LESION_MODEL, CLASSIFICATION_MODEL)
DEFAULT_EXTENSION: Final = ".nrrd"
EXPLANATION_PATH: Final = "sonoloop/explanation"
"""Relative to the address of the server."""
HeatForm: TypeAlias = Literal["overlay", "heatmap"]
RESULT_DTYPES: Final = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "bool")
"""What clients may ask for; masks are 8-bit whatever it is, their values fit all of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """How the mask is to be written.

    Attributes:
        extension: One of the label extensions.
        compress: False writes NRRD voxels raw, as OHIF wants them.
        measurements: Whether the sizes of the lesions are told; it takes some hundredths of a
            second for a large one.
    """

    extension: str = DEFAULT_EXTENSION
    compress: bool = True
    measurements: bool = False


def parse_form(params: Mapping[str, Any]) -> AnswerForm:
    """What the parameters of a request say of the answer.

    Known are ``result_extension``, ``result_dtype``, ``result_compress`` and ``measurements``.
    Everything else is passed over: viewers send the whole configuration of a model along
    (``device``, ``restore_label_idx``, the names of labels), and none of it may choose a file or
    a processor.

    Raises:
        InvalidRequestError: If one of them is malformed.
    """
    extension = params.get("result_extension") or DEFAULT_EXTENSION
    if extension not in LABEL_EXTENSIONS:
        raise InvalidRequestError(
            f"unknown result_extension {extension!r:.80} (one of {', '.join(LABEL_EXTENSIONS)})"
        )
    dtype = params.get("result_dtype") or "uint8"
    if dtype not in RESULT_DTYPES:
        raise InvalidRequestError(
            f"result_dtype of a mask must be a whole-number type, got {dtype!r:.80} "
            f"(one of {', '.join(RESULT_DTYPES)})"
        )
    return AnswerForm(
        extension=extension,
        compress=bool(params.get("result_compress", True)),
        measurements=bool(params.get("measurements", False)),
    )


def check_model(model: str) -> str:
    """``model`` itself.

    Raises:
        NotFoundError: If no inference model has that name.
    """
    if model not in INFER_MODELS:
        raise NotFoundError(f"unknown model {model!r:.80} (one of {', '.join(INFER_MODELS)})")
    return model


class Analysis:
    """Finds the picture a request means and runs the pipeline on it."""

    def __init__(
        self,
        images: ImageLibrary,
        sessions: Sessions,
        inference: InferenceService,
        building: Path,
        told: Callable[[str, Findings], None] = lambda _image_id, _findings: None,
    ) -> None:
        self._told = told
        self._images = images
        self._sessions = sessions
        self._inference = inference
        self._building = building

    def image_of_store(self, image_id: str) -> UltrasoundImage:
        """An image of the store.

        Raises:
            NotFoundError: If there is no such image.
            ImageReadError: If its file cannot be read any more.
        """
        return self._images.load(self._images.record(image_id))

    def image_of_session(self, session_id: str, *, frame: int = 0) -> UltrasoundImage:
        """The image of a session; of a cine one frame, from 0.

        Raises:
            NotFoundError: If there is no such session.
            ImageReadError: If it has no such frame.
        """
        return self._sessions.load(self._sessions.get(session_id, touch=True), frame=frame)

    def of_image(self, image_id: str) -> Findings:
        """Findings of an image of the store.

        Raises:
            NotFoundError: If there is no such image, or no model yet.
            ImageReadError: If its file cannot be read any more.
            BusyError: If the models are not loaded in time.
        """
        record = self._images.record(image_id)
        findings = self._inference.analyse(self._images.load(record))
        self._told(record.image_id, findings)
        return findings

    def of_session(self, session_id: str, *, frame: int = 0) -> Findings:
        """Findings of the image of a session; of a cine those of one frame, from 0.

        Raises:
            NotFoundError: If there is no such session, or no model yet.
            ImageReadError: If it has no such frame.
            BusyError: If the models are not loaded in time.
        """
        return self._inference.analyse(self.image_of_session(session_id, frame=frame))

    def of_file(self, data: bytes, filename: str) -> Findings:
        """Findings of an image sent along; nothing of it is kept.

        Raises:
            ImageReadError: If it is not an image this package can read.
            NotFoundError: If there is no model yet.
            BusyError: If the models are not loaded in time.
        """
        return self._inference.analyse(self.read(data, filename))

    def read(self, data: bytes, filename: str) -> UltrasoundImage:
        """The picture in a file sent along.

        Raises:
            ImageReadError: If it is not an image this package can read.
            StoreError: If it cannot be written, for instance because the disk is full.
        """
        with disk_told(self._building):
            folder = Path(tempfile.mkdtemp(dir=self._building, prefix="sent-"))
            try:
                return receive_image(data, filename, folder, stem="image").image
            finally:
                shutil.rmtree(folder, ignore_errors=True)


def explanation_link(unexplained: str | None, **query: str) -> dict[str, Any]:
    """Whether and where the diagnosis is explained, for the ``params`` of an answer.

    Args:
        unexplained: Why it is not, or None.
        query: Names the image; empty for one that was sent along and not kept.
    """
    known = {name: value for name, value in query.items() if value}
    at = f"{EXPLANATION_PATH}?{urlencode(known)}" if known else EXPLANATION_PATH
    return {
        "available": unexplained is None,
        "reason": unexplained,
        "path": at if unexplained is None else None,
    }


def explanation_png(explanation: Explanation, image: UltrasoundImage, form: HeatForm) -> bytes:
    """An explanation as a PNG on the image's own grid.

    Args:
        explanation: What is shown.
        image: What it explains.
        form: ``overlay`` draws it over the image, (H, W, 3); ``heatmap`` is the heat alone,
            (H, W), 255 the hottest.
    """
    if form == "overlay":
        pixels = heat_overlay(image.pixels, explanation.heat, explanation.boxes)
    else:
        pixels = np.rint(explanation.heat * 255).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def answer_params(model: str, findings: Findings, form: AnswerForm) -> dict[str, Any]:
    """The ``params`` of an answer: for the classifier with MONAI Label's ``prediction`` list."""
    params = findings_to_params(findings)
    if form.measurements:
        for lesion, size in zip(params["lesions"], sizes_of(findings), strict=True):
            lesion["measurements"] = size
    if model != CLASSIFICATION_MODEL:
        return params
    prediction = [
        {
            "idx": index,
            "label": str(pathology),
            "score": round(findings.probabilities[pathology], 4),
        }
        for index, pathology in enumerate(PATHOLOGIES)
    ]
    del params["label_names"]
    return {"prediction": prediction} | params


def answer_mask(findings: Findings, form: AnswerForm) -> bytes:
    """The mask as a file of the form asked for."""
    return encode_label_map(
        findings.mask.astype("uint8"),
        form.extension,
        findings.spacing_mm,
        compress=form.compress,
    )
