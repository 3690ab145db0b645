"""``annotations.csv``: what is known of the images of a study folder, one row an image.

The importer writes it, the server registers it as annotations of the reader it names, and
training reads it without a server. Paths are relative to the study folder.
"""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sonoloop.datasets.tables import read_table

SIDECAR = "annotations.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationRow:
    """One row; every cell is text, empty when nothing is known.

    Attributes:
        image_id: SOPInstanceUID, with ``_f<k>`` (k from 0) for a frame of a cine.
        mask: PNG with 0 and 1, or empty: no outline is known, unless the pathology is normal.
        image: The DICOM file; may be empty in tables made by hand, when the file is named after
            its SOPInstanceUID.
        split: Fold or split of the data set the image comes from.
        label_conflict: ``1`` when near-duplicates carry another class.
    """

    image_id: str
    mask: str = ""
    pathology: str = ""
    birads: str = ""
    reader: str = ""
    patient: str = ""
    group: str = ""
    split: str = ""
    image: str = ""
    device: str = ""
    label_conflict: str = ""


COLUMNS = tuple(field.name for field in fields(AnnotationRow))


def read_sidecar(path: Path) -> list[AnnotationRow]:
    """Rows of an ``annotations.csv``, in order.

    Raises:
        DatasetError: If it cannot be read or has no column ``image_id``.
    """
    rows = read_table(path, required=("image_id",), optional=COLUMNS)
    return [AnnotationRow(**{k: v for k, v in row.items() if k in COLUMNS}) for row in rows]


def format_sidecar(rows: list[AnnotationRow]) -> str:
    """The text of an ``annotations.csv`` with these rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()
