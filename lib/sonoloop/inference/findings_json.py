"""Findings as JSON: the ``params`` of a reply and the lines of ``sonoloop predict``."""

from typing import Any

from sonoloop.labels import LABEL_NAMES, Pathology
from sonoloop.records import Findings, Lesion


def _rounded(probabilities: dict[Pathology, float]) -> dict[str, float]:
    return {str(pathology): round(value, 4) for pathology, value in probabilities.items()}


def _figure(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _lesion_json(lesion: Lesion) -> dict[str, Any]:
    most_probable = max(lesion.probabilities, key=lambda p: lesion.probabilities[p])
    return {
        "box": lesion.box.as_list(),
        "area_px": lesion.area_px,
        "area_mm2": None if lesion.area_mm2 is None else round(lesion.area_mm2, 2),
        "pathology": str(most_probable),
        "probabilities": _rounded(lesion.probabilities),
        "confidence": round(lesion.confidence, 4),
    }


def findings_to_params(findings: Findings) -> dict[str, Any]:
    """Everything but the pixels; boxes are ``[top, left, bottom, right]``, half-open, in pixels."""
    return {
        "label_names": dict(LABEL_NAMES),
        "pathology": str(findings.pathology),
        "probabilities": _rounded(findings.probabilities),
        "lesions": [_lesion_json(lesion) for lesion in findings.lesions],
        "models": dict(findings.models),
        "spacing_mm": None if findings.spacing_mm is None else list(findings.spacing_mm),
        "seconds": round(findings.seconds, 4),
        "flags": list(findings.flags),
        "uncertainty": _figure(findings.uncertainty),
        "pathology_uncertainty": _figure(findings.pathology_uncertainty),
    }
