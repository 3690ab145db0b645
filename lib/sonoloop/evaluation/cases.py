"""One evaluated image: what is known of it and what the pipeline said."""

from dataclasses import asdict, dataclass
from typing import Any

from sonoloop.evaluation.overlap import dice, hd95_px, iou, nsd
from sonoloop.geometry import Mask
from sonoloop.labels import Pathology
from sonoloop.records import Findings, LabelledImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An evaluated image; a figure that cannot be computed for it is None.

    Attributes:
        patient: Who is drawn by the bootstrap: the patient, else the group of near-duplicates,
            else the image itself.
        patient_named: Whether the data name the patient.
        has_lesion: Whether the truth mask holds a lesion; None when the outline is unknown.
        lesion_share: Area of the true lesion as a share of the image; None without a lesion.
        marked: Whether the pipeline marked anything.
        detected: Whether a mark touches the true lesion; None without a lesion.
        dice, iou, hd95_px, nsd_2px: Agreement of the masks; None without a true lesion (a normal
            image is a detection case, never a perfect Dice inside a mean). A lesion that was not
            marked has Dice 0 and the image's diagonal as HD95.
        accuracy: Share of pixels that agree; None when the outline is unknown.
        malignant: Predicted probability of malignancy of the image.
        uncertainty: Doubt in the mask, in [0, 1]; None when the pipeline told none.
        pathology_uncertainty: Doubt in the class, in [0, 1]; None when the pipeline told none.
    """

    image_id: str
    patient: str
    patient_named: bool
    group: str | None
    device: str | None
    pathology: Pathology | None
    birads: str | None
    label_conflict: bool
    has_lesion: bool | None
    lesion_share: float | None
    marked: bool
    detected: bool | None
    dice: float | None
    iou: float | None
    hd95_px: float | None
    nsd_2px: float | None
    accuracy: float | None
    predicted: Pathology
    malignant: float
    benign: float
    normal: float
    uncertainty: float | None
    pathology_uncertainty: float | None
    seconds: float

    def as_row(self) -> dict[str, Any]:
        """One line of ``per_image.csv``."""
        return asdict(self)


def evaluate_case(item: LabelledImage, truth: Mask | None, findings: Findings) -> Case:
    """Compare the pipeline's answer with what is known of an image.

    Args:
        item: What is known.
        truth: (H, W) true lesion mask, or None when the outline is unknown.
        findings: What the pipeline said.

    Raises:
        GeometryError: If the masks differ in shape.
    """
    pred = findings.mask
    lesion = bool(truth.any()) if truth is not None else None
    overlap = truth if lesion and truth is not None else None
    return Case(
        image_id=item.image_id,
        patient=item.patient or item.group or item.image_id,
        patient_named=bool(item.patient),
        group=item.group,
        device=item.device,
        pathology=item.pathology,
        birads=item.birads,
        label_conflict=item.label_conflict,
        has_lesion=lesion,
        lesion_share=None if overlap is None else float(overlap.mean()),
        marked=bool(pred.any()),
        detected=None if overlap is None else bool((pred & overlap).any()),
        dice=None if overlap is None else dice(pred, overlap),
        iou=None if overlap is None else iou(pred, overlap),
        hd95_px=None if overlap is None else hd95_px(pred, overlap),
        nsd_2px=None if overlap is None else nsd(pred, overlap),
        accuracy=None if truth is None else float((pred == truth).mean()),
        predicted=findings.pathology,
        malignant=findings.probabilities[Pathology.MALIGNANT],
        benign=findings.probabilities[Pathology.BENIGN],
        normal=findings.probabilities[Pathology.NORMAL],
        uncertainty=findings.uncertainty,
        pathology_uncertainty=findings.pathology_uncertainty,
        seconds=findings.seconds,
    )
