"""What a model told a reader is kept with his answer, by the server's word alone."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drawn_studies import Drawn, Studio
from sonoloop.labels import Pathology
from sonoloop.records import Annotation
from sonoloop.service.labelling import SUGGESTION, parse_submission
from sonoloop.service.listing import label_json
from sonoloop.service.reported import reading_of
from sonoloop.service.server import Service
from sonoloop.service.suggestions import Suggestions, mask_digest

Say = Callable[..., Annotation]


@pytest.fixture
def drawn(studies: Path) -> Drawn:
    """A DICOM image among the studies."""
    return Studio(studies).single("anna", "image", (60, 80))


@pytest.fixture
def say(drawn: Drawn, service: Service) -> Say:
    """Submits that a model's outline is right, or another one."""

    def saying(mask: np.ndarray, **params: Any) -> Annotation:
        png = io.BytesIO()
        Image.fromarray(mask.astype(np.uint8)).save(png, "PNG")
        told = {"reader": "ann", "pathology": "malignant", "source_model": "seg-1"} | params
        return service.save_label(
            drawn.image, "final", parse_submission(told), file=(png.getvalue(), "label.png")
        )

    return saying


def test_what_the_model_told_is_part_of_the_reading(
    drawn: Drawn, service: Service, say: Say
) -> None:
    findings = service.analysis.of_image(drawn.image)
    saved = say(findings.mask)

    reading = reading_of(service.store, service.images.record(drawn.image), saved)
    assert reading.probabilities == {
        Pathology.NORMAL: 0.1,
        Pathology.BENIGN: 0.2,
        Pathology.MALIGNANT: 0.7,
    }
    assert reading.models == {"segmentation": "seg-1", "classification": "cls-1"}
    assert [lesion.area_px for lesion in reading.lesions] == [int(findings.mask.sum())]
    assert reading.origin == "AUTOMATIC"
    assert "suggestion" not in json.dumps(label_json(saved))


def test_a_corrected_outline_is_told_from_the_suggested_one(
    drawn: Drawn, service: Service, say: Say
) -> None:
    mask = service.analysis.of_image(drawn.image).mask.copy()
    mask[0, 0] = True
    reading = reading_of(service.store, service.images.record(drawn.image), say(mask))

    assert reading.origin == "SEMIAUTOMATIC"


def test_without_the_model_nothing_of_it_is_said(drawn: Drawn, service: Service, say: Say) -> None:
    service.analysis.of_image(drawn.image)
    saved = say(drawn.mask, source_model="")

    reading = reading_of(service.store, service.images.record(drawn.image), saved)
    assert (reading.probabilities, dict(reading.models), reading.origin) == (None, {}, "MANUAL")


def test_a_client_cannot_tell_what_the_model_said(drawn: Drawn, service: Service, say: Say) -> None:
    saved = say(drawn.mask, **{SUGGESTION: {"probabilities": {"malignant": 1.0}}})

    assert SUGGESTION not in saved.info


def test_only_the_last_images_are_remembered(drawn: Drawn, service: Service) -> None:
    findings = service.analysis.of_image(drawn.image)
    suggestions = Suggestions(kept=2)
    for image_id in ("a", "b", "a", "c"):
        suggestions.remember(image_id, findings)
    submission = parse_submission({"source_model": "seg-1"})

    kept = [
        image_id
        for image_id in ("a", "b", "c")
        if SUGGESTION in suggestions.added_to(submission, image_id).info
    ]
    assert kept == ["a", "c"]


def test_digests_tell_masks_apart() -> None:
    mask = np.zeros((3, 5), np.uint8)
    other = mask.copy()
    other[2, 4] = 1

    assert mask_digest(mask) == mask_digest(mask > 0)
    assert mask_digest(mask) != mask_digest(other)
