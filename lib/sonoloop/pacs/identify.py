"""Image records from what a file says of itself."""

import re

from sonoloop.datasets.names import safe_id
from sonoloop.imaging.image import ImageHeader
from sonoloop.pacs.walk import FoundFile
from sonoloop.records import ImageRecord, ImageSource


def base_id(header: ImageHeader, locator: str) -> str:
    """Id of the file: its SOPInstanceUID, or a safe name made of its path when it has none."""
    if header.identity.sop_instance_uid is not None:
        return header.identity.sop_instance_uid
    return re.sub(r"\.{2,}", ".", safe_id(locator))


def records_of(header: ImageHeader, file: FoundFile, *, source: ImageSource) -> list[ImageRecord]:
    """One record for every frame of a file.

    A file with one frame has the bare id; frame k of a cine has ``_f<k>``. All frames of a cine
    are registered, however long it is: which of them to annotate is the reader's choice.
    """
    identity, name = header.identity, base_id(header, file.locator)
    return [
        ImageRecord(
            image_id=name if header.frame_count == 1 else f"{name}_f{frame}",
            source=source,
            locator=file.locator,
            frame=frame,
            frame_count=header.frame_count,
            rows=header.rows,
            columns=header.columns,
            spacing_mm=header.spacing_mm,
            patient_id=identity.patient_id,
            study_instance_uid=identity.study_instance_uid,
            series_instance_uid=identity.series_instance_uid,
            sop_instance_uid=identity.sop_instance_uid,
            modality=identity.modality,
            study_date=identity.study_date,
            flags=header.flags,
            file_size=file.size,
            file_mtime_ns=file.mtime_ns,
        )
        for frame in range(header.frame_count)
    ]


def is_same_image(header: ImageHeader, record: ImageRecord) -> bool:
    """Whether a file still (or really) holds the image of a record."""
    return (
        header.identity.sop_instance_uid == record.sop_instance_uid
        and (header.rows, header.columns) == (record.rows, record.columns)
        and header.frame_count == record.frame_count
    )
