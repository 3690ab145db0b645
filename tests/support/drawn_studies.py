"""Ultrasound studies whose lesions are drawn, so that the model that thresholds finds exactly them.

No image says where in space it lies, as most ultrasound does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

BRIGHT = 220
FRAMES = 5


@dataclass(frozen=True)
class Drawn:
    """One image that was drawn.

    Attributes:
        image: Its id on the server.
        mask: (H, W), what the model that thresholds must find; of a lossy image about that.
    """

    study: str
    series: str
    sop: str
    mask: Mask
    frame: int | None = None

    @property
    def image(self) -> str:
        return self.sop if self.frame is None else f"{self.sop}_f{self.frame}"


def lesion(rows: int, columns: int, seed: int) -> Mask:
    """An L that lies elsewhere for every seed and looks another way in every mirror."""
    rng = np.random.default_rng(seed)
    height, width = rows // 3, columns // 4
    top, left = rng.integers(4, rows - height - 4), rng.integers(4, columns - width - 4)
    mask = np.zeros((rows, columns), dtype=bool)
    mask[top : top + height, left : left + width // 3] = True
    mask[top + 2 * height // 3 : top + height, left : left + width] = True
    return mask


def grey(mask: Mask, seed: int) -> Pixels:
    """Dark speckle with the lesion bright on it."""
    speckle = np.random.default_rng(seed).integers(10, 90, mask.shape, dtype=np.uint8)
    return np.where(mask, np.uint8(BRIGHT), speckle)


class Studio:
    """Writes studies into a folder.

    Attributes:
        drawn: Every image so far, frames of cines one by one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.drawn: list[Drawn] = []

    @staticmethod
    def study_of(study: str) -> str:
        """StudyInstanceUID of a study by its name."""
        return stable_uid(study)

    def single(
        self, study: str, name: str, shape: tuple[int, int] = (120, 200), **how: Any
    ) -> Drawn:
        """A grey image; ``colour`` writes it as RGB, ``palette`` with a table of colours."""
        seed = len(self.drawn)
        colour, palette = how.pop("colour", False), how.pop("palette", False)
        mask = lesion(*shape, seed)
        pixels = grey(mask, seed)
        path = self._write(study, name, np.stack([pixels] * 3, -1) if colour else pixels, **how)
        if palette:
            _with_palette(path)
        return self._keep(study, name, [mask], None)[0]

    def cine(self, study: str, name: str, shape: tuple[int, int] = (120, 200)) -> list[Drawn]:
        """A colour cine, lossily compressed, whose lesion wanders."""
        seed = len(self.drawn)
        masks = [lesion(*shape, seed + number) for number in range(FRAMES)]
        frames = np.stack([grey(mask, seed) for mask in masks])
        pixels = np.stack([frames] * 3, axis=-1)
        self._write(study, name, pixels, cine=True, jpeg_quality=95)
        return self._keep(study, name, masks, 0)

    def _write(
        self, study: str, name: str, pixels: Pixels, *, cine: bool = False, **how: Any
    ) -> Path:
        facts: dict[str, Any] = {
            "sop_instance_uid": stable_uid(study, name),
            "series_instance_uid": stable_uid(study, how.pop("series", "series")),
            "study_instance_uid": stable_uid(study),
            "patient_id": study.upper(),
            "patient_name": f"{study}^Drawn",
            "study_date": "20260105",
            "study_description": f"Drawn {study}",
            "series_description": "Drawn",
            "instance_number": 1 + sum(item.study == stable_uid(study) for item in self.drawn),
        }
        path = self.folder / f"{study}-{name}.dcm"
        write_ultrasound_dicom(path, pixels, UltrasoundDicom(**(facts | how)), cine=cine)
        return path

    def _keep(self, study: str, name: str, masks: Sequence[Mask], first: int | None) -> list[Drawn]:
        written = pydicom.dcmread(self.folder / f"{study}-{name}.dcm", stop_before_pixels=True)
        kept = [
            Drawn(
                study=str(written.StudyInstanceUID),
                series=str(written.SeriesInstanceUID),
                sop=str(written.SOPInstanceUID),
                mask=mask,
                frame=None if first is None else number,
            )
            for number, mask in enumerate(masks)
        ]
        self.drawn += kept
        return kept

    def __iter__(self) -> Iterator[Drawn]:
        return iter(self.drawn)


def _with_palette(path: Path) -> None:
    """Make a grey image say its greys by a table (PS3.3 C.7.6.3.1.5)."""
    written = pydicom.dcmread(path)
    written.PhotometricInterpretation = "PALETTE COLOR"
    entries = (np.arange(256) * 257).astype("<u2").tobytes()
    for colour in ("Red", "Green", "Blue"):
        written.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        written.add_new(f"{colour}PaletteColorLookupTableData", "OW", entries)
    written.save_as(path)
