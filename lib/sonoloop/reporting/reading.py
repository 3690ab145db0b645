"""What somebody (or a model) says of one image, ready to become DICOM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np

from sonoloop.errors import DocumentError
from sonoloop.geometry import LabelMap, Mask, SpacingMm
from sonoloop.labels import Pathology
from sonoloop.records import ImageRecord, Lesion, ModelTask

ReadingState = Literal["draft", "final"]
Origin = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
"""Segment Algorithm Type, PS3.3 C.8.20.4."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """One revision of what is said of one image, or of one frame of a cine.

    Attributes:
        record: The image.
        mask: (H, W) on the image's own grid. When its only value is 1 (or True), every connected
            component is a lesion; otherwise every value is. Empty says that there is no lesion.
        state: ``draft`` is a model's word that nobody has looked at; ``final`` is a person's.
        reader: Who says so; empty for a draft.
        assessed_at: When it was said, with a time zone.
        pathology, birads: What was said of the image, or None.
        models: Ids of the models that took part, by task.
        lesions: What the models said of the lesions they marked, matched to those of ``mask`` by
            overlap.
        probabilities: What the models said of the image, or None.
        proposed: The mask a model proposed (H, W), to tell what the reader changed; None when
            there was none or it was not kept.
        not_assessable: Why the reader can say nothing of the image; None when he can.
    """

    record: ImageRecord
    mask: LabelMap | Mask
    state: ReadingState
    reader: str
    assessed_at: datetime
    pathology: Pathology | None = None
    birads: str | None = None
    models: Mapping[ModelTask, str] = field(default_factory=dict)
    lesions: tuple[Lesion, ...] = ()
    probabilities: Mapping[Pathology, float] | None = None
    proposed: LabelMap | Mask | None = None
    not_assessable: str | None = None

    def __post_init__(self) -> None:
        problems = []
        shape = (self.record.rows, self.record.columns)
        for name, mask in (("mask", self.mask), ("proposed mask", self.proposed)):
            if mask is not None and mask.shape != shape:
                problems.append(f"the {name} of shape {mask.shape} does not fit the image {shape}")
        if (self.state == "draft") == bool(self.reader):
            problems.append(f"a {self.state} reading has the reader {self.reader!r:.80}")
        if self.assessed_at.tzinfo is None:
            problems.append(f"assessed at {self.assessed_at}, which tells no time zone")
        if self.not_assessable is not None and self.mask.any():
            problems.append(f"not assessable, and yet {int((self.mask > 0).sum())} pixels marked")
        if problems:
            raise DocumentError("a reading that cannot be reported: " + "; ".join(problems))

    @property
    def spacing_mm(self) -> SpacingMm | None:
        """(row, column), or None where the image states no calibration."""
        return self.record.spacing_mm

    @property
    def origin(self) -> Origin:
        """How the mask was made: by a model alone, by a reader from a model's, or by a reader."""
        if self.state == "draft":
            return "AUTOMATIC"
        if "segmentation" not in self.models:
            return "MANUAL"
        if self.proposed is not None and np.array_equal(self.mask > 0, self.proposed > 0):
            return "AUTOMATIC"
        return "SEMIAUTOMATIC"
