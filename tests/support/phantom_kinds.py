"""The synthetic studies, arranged so that every kind of image is one patient's study."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pydicom

FRAMES_READ: Final = (0, 3)
"""Of the cine; two, for each must keep its own answer."""

_MIXED: Final = ("phantom-11/phantom-11-1", "phantom-11/phantom-11-2", "phantom-04/phantom-04-1")
_SINGLE: Final = {
    "mono": "phantom-01/phantom-01-2",
    "rgb": "phantom-05/phantom-05-2",
    "palette": "phantom-06/phantom-06-1",
    "cine": "phantom-08/phantom-08-2",
}
_OTHERS: Final = ("02", "09", "10", "12", "14", "15", "18", "19")
"""Patients who are there to be labelled and looked at besides."""

KINDS: Final = (*_SINGLE, "mixed")


@dataclass(frozen=True)
class Seen:
    """An image as the viewer addresses it."""

    patient: str
    study: str
    series: str
    sop: str
    frame: int | None = None

    @property
    def image(self) -> str:
        """Its id on the server."""
        return self.sop if self.frame is None else f"{self.sop}_f{self.frame}"


def arrange(samples: Path, folder: Path) -> dict[str, list[Seen]]:
    """Write the studies; the images of every kind, in the order in which a study shows them.

    Image ids stay those of the samples, so that what is known of them holds.

    Args:
        samples: Folder of the synthetic studies.
        folder: Is made.
    """
    folder.mkdir(parents=True)
    for number in _OTHERS:
        for path in (samples / f"phantom-{number}").glob("*.dcm"):
            shutil.copy(path, folder)
    kinds = {kind: [samples / f"{name}.dcm"] for kind, name in _SINGLE.items()}
    kinds["mixed"] = [samples / f"{name}.dcm" for name in _MIXED]
    return {kind: _write(kind, paths, folder) for kind, paths in kinds.items()}


def _write(kind: str, paths: list[Path], folder: Path) -> list[Seen]:
    first = pydicom.dcmread(paths[0], stop_before_pixels=True)
    seen = []
    for number, path in enumerate(paths, start=1):
        dataset = pydicom.dcmread(path)
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID"):
            setattr(dataset, keyword, first[keyword].value)
        dataset.InstanceNumber = number
        if kind == "palette":
            _colour_by_table(dataset)
        dataset.save_as(folder / path.name)
        frames: tuple[int | None, ...] = FRAMES_READ if kind == "cine" else (None,)
        seen += [_seen(dataset, frame) for frame in frames]
    return seen


def _seen(dataset: pydicom.Dataset, frame: int | None) -> Seen:
    return Seen(
        patient=str(dataset.PatientID),
        study=str(dataset.StudyInstanceUID),
        series=str(dataset.SeriesInstanceUID),
        sop=str(dataset.SOPInstanceUID),
        frame=frame,
    )


def _colour_by_table(dataset: pydicom.Dataset) -> None:
    """Say greys by a table that tints them a little, as scanners do (PS3.3 C.7.6.3.1.5)."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.decompress(generate_instance_uid=False)
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for colour, brightest in (("Red", 65535), ("Green", 62000), ("Blue", 54000)):
        table = np.linspace(0, brightest, 256).astype("<u2").tobytes()
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", table)
