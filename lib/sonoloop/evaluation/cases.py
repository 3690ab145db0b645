"""One evaluated image: what is known of it and what the pipeline said."""

from dataclasses import asdict, dataclass
from typing import Any

from sonoloop.evaluation.overlap import dice, hd95_px, iou, nsd
from sonoloop.geometry import Mask
from sonoloop.labels import Pathology
from sonoloop.records import LabelledImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An evaluated image; a figure that cannot be computed for it is None.

    Attributes:
        has_lesion: Whether the truth mask holds a lesion; None when the outline is unknown.
        marked: Whether the pipeline marked anything.
        detected: Whether a mark touches the true lesion; None without a lesion.
        dice, iou, hd95_px, nsd_2px: Agreement of the masks; None without a true lesion (a normal
            image is a detection case, never a perfect Dice inside a mean).
        accuracy: Share of pixels that agree; None when the outline is unknown.
        malignant: Predicted probability of malignancy of the image.
    """

    image_id: str
    patient: str
    group: str | None
    device: str | None
    pathology: Pathology | None
    birads: str | None
    label_conflict: bool
    has_lesion: bool | None
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
    seconds: float

    def as_row(self) -> dict[str, Any]:
        """One line of ``per_image.csv``."""
        return asdict(self)


def evaluate_case(
    item: LabelledImage,
    truth: Mask | None,
    *,
    pred: Mask,
    probabilities: dict[Pathology, float],
    seconds: float,
) -> Case:
    """Compare the pipeline's answer with what is known of an image.

    Args:
        item: What is known.
        truth: (H, W) true lesion mask, or None when the outline is unknown.
        pred: (H, W) predicted mask.
        probabilities: Of each pathology.
        seconds: The pipeline took.

    Raises:
        GeometryError: If the masks differ in shape.
    """
    lesion = bool(truth.any()) if truth is not None else None
    overlap = truth if lesion and truth is not None else None
    return Case(
        image_id=item.image_id,
        patient=item.patient or item.group or item.image_id,
        group=item.group,
        device=item.device,
        pathology=item.pathology,
        birads=item.birads,
        label_conflict=item.label_conflict,
        has_lesion=lesion,
        marked=bool(pred.any()),
        detected=None if overlap is None else bool((pred & overlap).any()),
        dice=None if overlap is None else dice(pred, overlap),
        iou=None if overlap is None else iou(pred, overlap),
        hd95_px=None if overlap is None else hd95_px(pred, overlap),
        nsd_2px=None if overlap is None else nsd(pred, overlap),
        accuracy=None if truth is None else float((pred == truth).mean()),
        predicted=max(probabilities, key=lambda p: probabilities[p]),
        malignant=probabilities[Pathology.MALIGNANT],
        benign=probabilities[Pathology.BENIGN],
        normal=probabilities[Pathology.NORMAL],
        seconds=seconds,
    )
