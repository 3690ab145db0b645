"""Loads what the first document needs, before a reader waits for anything.

highdicom reads tables of the standard when it is first used; for about a second nothing else of
the process gets on meanwhile.
"""

from datetime import UTC, datetime
from typing import Final

import numpy as np
from pydicom import Dataset
from pydicom.uid import UltrasoundImageStorage

from sonoloop.imaging.write_dicom import stable_uid
from sonoloop.records import ImageRecord
from sonoloop.reporting.documents import documents_for
from sonoloop.reporting.reading import Reading

SIDE_PX: Final = 8


def warm_up() -> None:
    """Make the documents of an image that does not exist, and drop them.

    Raises:
        DocumentError: If documents cannot be made at all.
    """
    header = Dataset()
    header.SOPClassUID = UltrasoundImageStorage
    for level in ("Study", "Series", "SOP"):
        setattr(header, f"{level}InstanceUID", stable_uid("warming up", level))
    header.Rows = header.Columns = SIDE_PX
    record = ImageRecord(
        image_id=str(header.SOPInstanceUID),
        source="folder",
        locator="",
        frame=0,
        frame_count=1,
        rows=SIDE_PX,
        columns=SIDE_PX,
        spacing_mm=None,
        patient_id=None,
        study_instance_uid=str(header.StudyInstanceUID),
        series_instance_uid=str(header.SeriesInstanceUID),
        sop_instance_uid=str(header.SOPInstanceUID),
    )
    mask = np.zeros((SIDE_PX, SIDE_PX), dtype=bool)
    mask[2:6, 2:6] = True
    reading = Reading(
        record=record,
        mask=mask,
        state="final",
        reader="nobody",
        assessed_at=datetime(2000, 1, 1, tzinfo=UTC),
    )
    documents_for(header, reading)
