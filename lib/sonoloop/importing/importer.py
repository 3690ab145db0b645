"""A data set becomes a study folder of valid ultrasound DICOM with its annotations.

One study per patient, and one series per image: the images of these data sets do not belong
together, and viewers treat a series as if they did. UIDs depend on the data set's name, the image's
id and the content of its file, so an import can be repeated and resumed: what is there is left,
what is missing is added, and a changed mask or label replaces the old one.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from sonoloop.datasets.names import slug
from sonoloop.datasets.reading import DatasetReading, Skipped
from sonoloop.datasets.sidecar import AnnotationRow
from sonoloop.errors import DatasetError, ImageReadError, LabelReadError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.masks import encode_label_map
from sonoloop.imaging.read import read_header, read_image
from sonoloop.imaging.vocabulary import Flag
from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom
from sonoloop.importing.masks import merged_mask
from sonoloop.importing.study_folder import MASKS, StudyFolder, open_study_folder
from sonoloop.labels import Pathology
from sonoloop.records import LabelledImage

Progress = Callable[[int, int], None]
"""Called with the number of images done and their total."""

Outcome = Literal["imported", "relabelled", "already_there"]

_SAVE_EVERY: Final = 100  # rows; what a kill in between forgets, the next import adds
_DE_IDENTIFIED: Final = ("busi", "busbra")  # published without names on the pictures
_LONG_TEXT: Final = 64  # characters of DICOM's LO


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import did.

    Attributes:
        imported: Images written.
        already_there: Images left as they were.
        relabelled: Images that were there, but whose mask or labels changed.
        skipped: What was left out, with the reason.
    """

    imported: int
    already_there: int
    relabelled: int
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where one image goes, and as what."""

    path: Path
    sop_instance_uid: str
    patient: str
    series_number: int


def import_dataset(
    reading: DatasetReading, to: Path, *, reader: str, progress: Progress | None = None
) -> ImportSummary:
    """Write the images of a data set into the study folder ``to``, with their annotations.

    Args:
        reading: The data set; its name is part of every path and UID.
        to: Study folder; made if absent, what else is in it is kept.
        reader: Whom the annotations are from.
        progress: Told after every image.

    Raises:
        ConflictError: If another import is writing to ``to``.
        DatasetError: If ``to`` cannot be written, or the data set cannot be called as it is.
    """
    if slug(reading.name) != reading.name or reading.name == MASKS:
        raise DatasetError(f"a data set cannot be called {reading.name!r} (letters and digits)")
    inside = next((i for i in reading.images if _is_below(i.image_path, to)), None)
    if inside:
        raise DatasetError(
            f"image {inside.image_path.name!r} already lies in the study folder {str(to)!r} "
            "(import to a folder outside the data set)"
        )
    outcomes: Counter[Outcome] = Counter()
    skipped = list(reading.skipped)
    seen: Counter[str] = Counter()
    with open_study_folder(to) as folder:
        for done, image in enumerate(reading.images, start=1):
            patient = image.patient or f"{reading.name}-{image.image_id}"
            seen[patient] += 1
            try:
                target = _target(image, reading.name, folder, patient, seen[patient])
                outcomes[_import_one(image, reading, folder, target, reader)] += 1
            except (ImageReadError, LabelReadError) as error:
                path = image.image_path
                skipped.append(Skipped(f"{path.parent.name}/{path.name}", str(error)))
            if done % _SAVE_EVERY == 0:
                folder.save()
            if progress:
                progress(done, len(reading.images))
    return ImportSummary(
        imported=outcomes["imported"],
        already_there=outcomes["already_there"],
        relabelled=outcomes["relabelled"],
        skipped=tuple(skipped),
    )


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _target(
    image: LabelledImage, name: str, folder: StudyFolder, patient: str, series_number: int
) -> _Target:
    try:
        content = hashlib.sha256(image.image_path.read_bytes()).hexdigest()
    except OSError as error:
        raise ImageReadError("unreadable", f"{error.strerror}") from error
    return _Target(
        path=folder.image_path(name, patient, image.image_id),
        sop_instance_uid=stable_uid(
            "sonoloop import", name, image.image_id, str(image.frame), content
        ),
        patient=patient,
        series_number=series_number,
    )


def _import_one(
    image: LabelledImage, reading: DatasetReading, folder: StudyFolder, target: _Target, reader: str
) -> Outcome:
    """Write what is missing of one image, its row last: a row never names a missing file."""
    shape = _shape_if_there(target)
    picture: UltrasoundImage | None = None
    if shape is None:
        picture = read_image(image.image_path, frame=image.frame)
        shape = picture.shape
    mask = merged_mask(image, shape)
    if picture:
        write_ultrasound_dicom(target.path, picture.pixels, _settings(picture, reading, target))
    mask_path, mask_changed = "", False
    if image.mask_paths and image.pathology is not Pathology.NORMAL:
        png = encode_label_map(mask.astype(np.uint8), ".png", None)
        mask_path, mask_changed = folder.put_mask(reading.name, image.image_id, png)
    row_changed = folder.put_row(_row(image, folder, target, reader, mask_path))
    if picture:
        return "imported"
    return "relabelled" if mask_changed or row_changed else "already_there"


def _shape_if_there(target: _Target) -> tuple[int, int] | None:
    """(H, W) of the image if an earlier import wrote it; None also for an unreadable leftover."""
    if not target.path.is_file():
        return None
    try:
        header = read_header(target.path)
    except ImageReadError:
        return None
    if header.identity.sop_instance_uid != target.sop_instance_uid:
        raise ImageReadError(
            "name_taken",
            f"another picture was imported as {target.path.name!r} (delete it, or give this data "
            "set a name of its own)",
        )
    return header.rows, header.columns


def _settings(
    picture: UltrasoundImage, reading: DatasetReading, target: _Target
) -> UltrasoundDicom:
    uid = target.sop_instance_uid
    states_no_text = (
        picture.source_format == "dicom" and Flag.BURNED_IN_ANNOTATION not in picture.flags
    )
    return UltrasoundDicom(
        sop_instance_uid=uid,
        series_instance_uid=stable_uid("sonoloop import", "series", uid),
        study_instance_uid=stable_uid("sonoloop import", "study", reading.name, target.patient),
        patient_id=_dicom_text(target.patient),
        patient_name=slug(target.patient),
        study_id="1",
        study_description=_dicom_text(f"Import of {reading.name}"),
        series_description=_dicom_text(target.path.stem),
        series_number=target.series_number,
        spacing_mm=picture.spacing_mm,
        region=picture.region if picture.spacing_mm else None,
        burned_in_annotation=(
            False if states_no_text or reading.layout in _DE_IDENTIFIED else None
        ),
        derived=True,
        lossy=picture.source_format == "jpeg" or Flag.LOSSY in picture.flags,
    )


def _row(
    image: LabelledImage, folder: StudyFolder, target: _Target, reader: str, mask_path: str
) -> AnnotationRow:
    return AnnotationRow(
        image_id=target.sop_instance_uid,
        mask=mask_path,
        pathology=image.pathology or "",
        birads=image.birads or "",
        reader=reader,
        patient=image.patient,
        group=image.group or "",
        split=image.split or "",
        image=target.path.relative_to(folder.root).as_posix(),
        device=image.device or "",
        label_conflict="1" if image.label_conflict else "",
    )


def _dicom_text(text: str) -> str:
    """``text`` as a DICOM LO can hold it; what is too long ends in a hash, so it stays unique."""
    plain = "".join(c if c.isprintable() and c != "\\" else "-" for c in text).strip()
    if len(plain) <= _LONG_TEXT:
        return plain
    return f"{plain[: _LONG_TEXT - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
