"""Evaluated images as the figures need them."""

from collections.abc import Callable

import numpy as np
import pytest

from sonoloop.evaluation.cases import Case
from sonoloop.labels import Pathology

MakeCase = Callable[..., Case]


@pytest.fixture
def make_case() -> MakeCase:
    """An evaluated image of patient ``a`` with a found benign lesion, but for what is given."""

    def make(**known: object) -> Case:
        fields: dict[str, object] = {
            "image_id": "image",
            "patient": "a",
            "patient_named": True,
            "group": None,
            "device": None,
            "pathology": Pathology.BENIGN,
            "birads": None,
            "label_conflict": False,
            "has_lesion": True,
            "lesion_share": 0.05,
            "marked": True,
            "detected": True,
            "dice": 0.9,
            "iou": 0.8,
            "hd95_px": 3.0,
            "nsd_2px": 0.7,
            "accuracy": 0.98,
            "predicted": Pathology.BENIGN,
            "malignant": 0.3,
            "benign": 0.7,
            "normal": 0.0,
            "uncertainty": None,
            "pathology_uncertainty": None,
            "seconds": 0.1,
        }
        return Case(**(fields | known))  # type: ignore[arg-type]

    return make


@pytest.fixture
def many_cases(make_case: MakeCase) -> list[Case]:
    """120 images of 60 patients, a third malignant, with readers, scanners, doubt and normals."""
    rng = np.random.default_rng(3)
    cases = []
    for index in range(120):
        malignant = index // 2 % 3 == 0
        categories = ("4B", "5") if malignant else ("2", "3", "4A")
        score = float(np.clip(rng.normal(0.65 if malignant else 0.35, 0.2), 0, 1))
        agreement = float(np.clip(rng.normal(0.85, 0.15), 0, 1))
        cases.append(
            make_case(
                image_id=f"image-{index}",
                patient=f"patient-{index // 2}",
                device=("Alpha", "Beta")[index // 2 % 2],
                pathology=Pathology.MALIGNANT if malignant else Pathology.BENIGN,
                birads=categories[index // 6 % len(categories)],
                dice=agreement,
                lesion_share=float(rng.uniform(0.01, 0.3)),
                malignant=score,
                benign=1 - score,
                uncertainty=float(np.clip(1 - agreement + rng.normal(0, 0.05), 0, 1)),
                pathology_uncertainty=1 - abs(2 * score - 1),
            )
        )
    normal = make_case(
        image_id="normal", patient="z", pathology=Pathology.NORMAL, has_lesion=False, marked=True,
        lesion_share=None, detected=None, dice=None, iou=None, hd95_px=None, nsd_2px=None,
    )  # fmt: skip
    return [*cases, normal]
