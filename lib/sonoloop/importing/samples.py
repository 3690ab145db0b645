"""The sample data: synthetic studies of phantoms, with their truth; the same bytes every time.

``python -m sonoloop.importing.samples DIR`` writes ``DIR/studies`` (DICOM, not annotated: what a
new user starts with) and ``DIR/truth`` (``manifest.csv`` and mask pictures). Between them the files
hold what scanners send: grey and colour, raw and JPEG, single images and a cine, screens with a
margin, with and without calibration.
"""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from sonoloop.geometry import Box, Mask
from sonoloop.imaging.masks import encode_label_map
from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom
from sonoloop.phantoms.phantom import Phantom, make_cine, make_phantom
from sonoloop.phantoms.spec import LesionKind, random_spec

Form = Literal["jpeg", "raw", "screen", "cine"]

CINE_FRAMES: Final = 6
_JPEG_QUALITY: Final = 90
_MANIFEST = ("image_id", "image", "mask", "pathology", "patient", "birads", "frame")
_BIRADS: dict[LesionKind | None, tuple[str, ...]] = {
    None: ("1",),
    "cyst": ("2",),
    "fibroadenoma": ("3", "3", "4A"),
    "carcinoma": ("4B", "4C", "5"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One file of the sample data.

    Attributes:
        patient: Number of the patient, from 1.
        view: Number of the image of that patient, from 1.
        kind: Lesion, or None for a normal breast.
        size: (rows, columns) of the ultrasound.
        form: ``screen`` is RGB with a margin around the ultrasound, as a screen copy has it.
        calibrated: States its spacing.
    """

    patient: int
    view: int
    kind: LesionKind | None
    size: tuple[int, int]
    form: Form = "jpeg"
    calibrated: bool = True

    @property
    def name(self) -> str:
        """File name without suffix."""
        return f"phantom-{self.patient:02d}-{self.view}"


def plan() -> list[Sample]:
    """Twenty patients: five normal, eight benign, seven malignant; eight have two images."""
    kinds: tuple[LesionKind | None, ...] = (
        "fibroadenoma", "carcinoma", None, "cyst", "carcinoma",
        "cyst", None, "fibroadenoma", "carcinoma", "cyst",
        "carcinoma", "fibroadenoma", None, "carcinoma", "cyst",
        "carcinoma", None, "fibroadenoma", "carcinoma", None,
    )  # fmt: skip
    sizes = ((300, 400), (360, 432), (384, 480), (330, 448), (420, 400), (352, 512))
    forms: dict[tuple[int, int], tuple[Form, tuple[int, int]]] = {
        (1, 2): ("raw", (240, 320)),
        (3, 1): ("raw", (256, 300)),
        (5, 2): ("screen", (200, 256)),
        (8, 2): ("cine", (240, 320)),
        (9, 1): ("jpeg", (480, 640)),
    }
    two_views = {1, 2, 4, 5, 8, 11, 13, 16}
    samples = []
    for patient, kind in enumerate(kinds, start=1):
        for view in (1, 2) if patient in two_views else (1,):
            form, size = forms.get((patient, view), ("jpeg", sizes[(patient + view) % len(sizes)]))
            calibrated = patient % 3 != 0
            samples.append(
                Sample(
                    patient=patient,
                    view=view,
                    kind=kind,
                    size=size,
                    form=form,
                    calibrated=calibrated,
                )
            )
    return samples


def write_samples(to: Path, samples: Sequence[Sample]) -> int:
    """Write ``studies`` and ``truth`` below ``to``; files already there are replaced.

    Args:
        to: Made if absent.
        samples: What to write; :func:`plan` for all.

    Returns:
        Number of images, frames of the cine counted singly.
    """
    rows = [row for sample in samples for row in _write(sample, to)]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows([_MANIFEST, *rows])
    (to / "truth" / "manifest.csv").write_text(table.getvalue(), encoding="utf-8")
    return len(rows)


def _write(sample: Sample, to: Path) -> Iterator[tuple[str, ...]]:
    """Write one file and its masks; its rows of the manifest."""
    spec = random_spec(
        1000 + 10 * sample.patient + sample.view,
        sample.kind,
        rows=sample.size[0],
        columns=sample.size[1],
    )
    cine = sample.form == "cine"
    frames = make_cine(spec, frames=CINE_FRAMES, step_px=3) if cine else [make_phantom(spec)]
    pixels, masks, region = _shown(sample, frames)
    settings = _settings(sample, frames[0], region)
    path = to / "studies" / f"phantom-{sample.patient:02d}" / f"{sample.name}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_ultrasound_dicom(path, pixels, settings, cine=cine)
    choices = _BIRADS[sample.kind]
    for k, mask in enumerate(masks):
        frame = f"_f{k}" if cine else ""
        yield (
            f"{settings.sop_instance_uid}{frame}",
            f"../studies/{path.parent.name}/{path.name}",
            _write_mask(to / "truth" / "masks" / f"{sample.name}{frame}.png", mask),
            str(frames[0].pathology),
            settings.patient_id,
            choices[sample.patient % len(choices)],
            str(k),
        )


def _write_mask(path: Path, mask: Mask) -> str:
    """Write a lesion's mask as a picture; its name in the manifest, empty when nothing is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not mask.any():
        return ""
    path.write_bytes(encode_label_map(mask.astype(np.uint8), ".png", None, for_display=True))
    return f"masks/{path.name}"


def _shown(
    sample: Sample, frames: list[Phantom]
) -> tuple[npt.NDArray[np.uint8], list[Mask], Box | None]:
    """Pixels as the scanner sends them, masks on their grid, and where the ultrasound is."""
    masks = [frame.mask for frame in frames]
    grey = np.stack([frame.pixels for frame in frames])
    if sample.form == "cine":
        return np.repeat(grey[..., np.newaxis], 3, axis=-1), masks, None
    if sample.form != "screen":
        return grey[0], masks, None
    rows, columns = sample.size
    region = Box(24, 40, 24 + rows, 40 + columns)
    margin = ((region.top, 16), (region.left, 24))
    screen = np.repeat(np.pad(grey[0], margin)[..., np.newaxis], 3, axis=-1)
    bar = np.linspace(255, 0, rows, dtype=np.uint8)
    screen[region.top : region.bottom, 12:20] = np.stack([bar, bar, bar // 2], axis=-1)[:, None]
    return screen, [np.pad(masks[0], margin)], region


def _settings(sample: Sample, phantom: Phantom, region: Box | None) -> UltrasoundDicom:
    patient = f"PHANTOM-{sample.patient:02d}"
    return UltrasoundDicom(
        sop_instance_uid=stable_uid("sonoloop sample", sample.name, "instance"),
        series_instance_uid=stable_uid("sonoloop sample", sample.name, "series"),
        study_instance_uid=stable_uid("sonoloop sample", patient, "study"),
        patient_id=patient,
        patient_name=f"Phantom^{sample.patient:02d}",
        study_date=f"202401{sample.patient:02d}",
        study_time="120000",
        study_id="1",
        study_description="Synthetic breast ultrasound",
        series_description=f"View {sample.view}",
        series_number=sample.view,
        manufacturer="Sonoloop",
        manufacturer_model_name="Phantom generator",
        spacing_mm=phantom.spacing_mm if sample.calibrated else None,
        region=region,
        jpeg_quality=_JPEG_QUALITY if sample.form in ("jpeg", "cine") else None,
        frame_time_ms=66.7,
    )


if __name__ == "__main__":
    sys.stdout.write(f"{write_samples(Path(sys.argv[1]), plan())} images\n")
