"""SEG and SR as an archive gives them, asked by other ways than the server's own."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
from dicomweb_client import DICOMwebClient
from pydicom import Dataset

from orthanc import Orthanc


@dataclass(frozen=True)
class Archive:
    """Where answers go.

    Attributes:
        instances: Every instance of a modality in a study.
    """

    instances: Callable[[str, str], list[Dataset]]

    def segmentation_of(self, study: str, sop: str, frame: int | None) -> Dataset | None:
        """The newest segmentation of an image; None while there is none."""
        return self._newest(study, "SEG", sop, frame)

    def report_of(self, study: str, sop: str, frame: int | None) -> Dataset | None:
        """The newest report on an image; None while there is none."""
        return self._newest(study, "SR", sop, frame)

    def _newest(self, study: str, modality: str, sop: str, frame: int | None) -> Dataset | None:
        found = [one for one in self.instances(study, modality) if _is_about(one, sop, frame)]
        return max(found, key=lambda one: int(one.InstanceNumber), default=None)


def _is_about(document: Dataset, sop: str, frame: int | None) -> bool:
    """Whether a document refers to an image and, of a cine, to the frame."""
    about = {
        (item.get("ReferencedSOPInstanceUID"), item.get("ReferencedFrameNumber"))
        for element in document.iterall()
        if element.VR == "SQ"
        for item in element.value
    }
    return (sop, None if frame is None else frame + 1) in about


def over_dicomweb(url: str) -> Archive:
    """The archive of a server that keeps a folder."""
    client = DICOMwebClient(f"{url}/dicom-web")

    def instances(study: str, modality: str) -> list[Dataset]:
        found = client.search_for_series(study, search_filters={"Modality": modality})
        uids = [Dataset.from_json(series).SeriesInstanceUID for series in found]
        return [one for uid in uids for one in client.retrieve_series(study, uid)]

    return Archive(instances)


def of_orthanc(pacs: Orthanc) -> Archive:
    """Orthanc, by its own interface."""

    def instances(study: str, modality: str) -> list[Dataset]:
        files: list[Any] = [pydicom.dcmread(io.BytesIO(one)) for one in pacs.instances(modality)]
        return [one for one in files if study == one.StudyInstanceUID]

    return Archive(instances)


def marked_in(segmentation: Dataset) -> npt.NDArray[np.bool_]:
    """(H, W), True on any lesion."""
    volume = hd.seg.Segmentation.from_dataset(segmentation).get_volume(combine_segments=True)
    return np.asarray(volume.array[0] > 0)


def codes_in(report: Dataset) -> set[str]:
    """Every code value that a report says."""
    return {str(element.value) for element in report.iterall() if element.keyword == "CodeValue"}


def references_in(report: Dataset) -> set[str]:
    """Every instance that a report refers to."""
    return {
        str(element.value)
        for element in report.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }
