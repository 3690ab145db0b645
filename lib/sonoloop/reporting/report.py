"""What was found as a structured report: TID 1500 in Comprehensive 3D SR (PS3.16, PS3.3 A.35.13).

A model's draft is PRELIMINARY and UNVERIFIED and has a device as its only author; a reader's is
FINAL and VERIFIED and names its predecessor. Each lesion is a group of TID 1410 that shares the
tracking id of its segment; what is said of the whole image is a group of TID 1501. Millimetres are
written only where the image is calibrated.
"""

from collections.abc import Sequence
from typing import Any, Final

from highdicom import sr
from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage

from sonoloop.geometry import SpacingMm
from sonoloop.imaging.write_dicom import stable_uid
from sonoloop.labels import Pathology
from sonoloop.records import InstanceAddress
from sonoloop.reporting import codes
from sonoloop.reporting.identity import (
    EQUIPMENT,
    LONG_STRING,
    MANUFACTURER,
    blank_image,
    person_name,
    sign_over,
    text_of,
    within,
)
from sonoloop.reporting.measure import measure
from sonoloop.reporting.observers import observers_of
from sonoloop.reporting.reading import Reading
from sonoloop.reporting.segmentation import algorithm_version, name_of_image
from sonoloop.reporting.tracking import TrackedLesion

SOP_CLASS: Final = Comprehensive3DSRStorage
SERIES_NUMBER: Final = 9002
UNNAMED_ORGANIZATION: Final = "not stated"
"""VerifyingOrganization may not be empty (PS3.3 C.17.2)."""


def write_report(
    header: Dataset,
    reading: Reading,
    lesions: Sequence[TrackedLesion],
    address: InstanceAddress,
    *,
    number: int,
    segmentation: Dataset | None,
    predecessor: InstanceAddress | None,
    organization: str,
) -> Dataset:
    """The report of a reading.

    Args:
        header: Of the image.
        reading: What is reported.
        lesions: None where nothing was marked.
        address: What the new instance is called.
        number: InstanceNumber.
        segmentation: What :func:`write_segmentation` made of the same lesions; None when none is
            kept: then lesions are described without their outline.
        predecessor: The report this one replaces, or None.
        organization: Who vouches for a final report.
    """
    image = blank_image(header)
    final = reading.state == "final"
    content = sr.MeasurementReport(
        observation_context=observers_of(reading),
        procedure_reported=codes.PROCEDURE,
        imaging_measurements=_groups(header, reading, lesions, segmentation),
        title=codes.REPORT_TITLE,
        referenced_images=[image],
    )
    named = person_name(reading.reader) if final else None
    document = sr.Comprehensive3DSR(
        evidence=[image] if segmentation is None else [image, _unsigned(segmentation)],
        content=content[0],
        series_instance_uid=address.series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=address.instance,
        instance_number=number,
        **EQUIPMENT,
        is_complete=True,
        is_final=final,
        is_verified=final,
        verifying_observer_name=named,
        verifying_organization=_organization(header, organization) if final else None,
        previous_versions=[_as_evidence(predecessor)] if predecessor else None,
        series_description=f"Findings, {name_of_image(header, reading.record)}",
    )
    _settle(document, reading)
    sign_over(document, header, reading.assessed_at)
    return document


def _organization(header: Dataset, organization: str) -> str:
    stated = organization or text_of(header, "InstitutionName") or UNNAMED_ORGANIZATION
    return within(stated, LONG_STRING)


def _unsigned(segmentation: Dataset) -> Dataset:
    """The segmentation as evidence: its UIDs, and no names."""
    evidence = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(evidence, keyword, segmentation[keyword].value)
    return evidence


def _as_evidence(address: InstanceAddress) -> Dataset:
    document = Dataset()
    document.SOPClassUID = SOP_CLASS
    document.StudyInstanceUID = address.study
    document.SeriesInstanceUID = address.series
    document.SOPInstanceUID = address.instance
    return document


def _groups(
    header: Dataset,
    reading: Reading,
    lesions: Sequence[TrackedLesion],
    segmentation: Dataset | None,
) -> list[Any]:
    if not lesions:
        return [_whole_image(header, reading)]
    return [_lesion(header, reading, lesion, len(lesions), segmentation) for lesion in lesions]


def _lesion(
    header: Dataset,
    reading: Reading,
    lesion: TrackedLesion,
    count: int,
    segmentation: Dataset | None,
) -> Any:
    """TID 1410 with the segment, or TID 1501 where no segmentation is kept."""
    probability = _probability(reading, lesion, count)
    said: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(lesion.tracking_uid, lesion.tracking_id),
        "finding_type": codes.MASS,
        "finding_category": codes.MORPHOLOGIC,
        "finding_sites": [_site(header)],
        "measurements": [*_sizes(lesion, reading.spacing_mm), *_of_cancer(reading, probability)],
        "qualitative_evaluations": _assessments(reading),
    }
    if segmentation is None:
        source = _source(sr.SourceImageForMeasurementGroup, header, reading)
        return sr.MeasurementsAndQualitativeEvaluations(source_images=[source], **said)
    segment = sr.ReferencedSegmentationFrame(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        frame_number=lesion.segment,
        segment_number=lesion.segment,
        source_image=_source(sr.SourceImageForSegmentation, header, reading),
    )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=segment, **said)


def _whole_image(header: Dataset, reading: Reading) -> Any:
    """TID 1501: nothing was marked, or nothing can be said."""
    seed = (str(header.SOPInstanceUID), str(reading.record.frame))
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(stable_uid("sonoloop image", *seed), "Image"),
        source_images=[_source(sr.SourceImageForMeasurementGroup, header, reading)],
        finding_type=codes.NORMAL if reading.pathology is Pathology.NORMAL else None,
        finding_sites=[_site(header)],
        measurements=_of_cancer(reading, _malignancy(reading.probabilities)),
        qualitative_evaluations=_assessments(reading),
    )
    if reading.not_assessable:
        comment = sr.TextContentItem(
            codes.COMMENT, reading.not_assessable, sr.RelationshipTypeValues.CONTAINS
        )
        group[0].ContentSequence.append(comment)
    return group


def _source(kind: Any, header: Dataset, reading: Reading) -> Any:
    frames = [reading.record.frame + 1] if reading.record.frame_count > 1 else None
    return kind(header.SOPClassUID, header.SOPInstanceUID, frames)


def _site(header: Dataset) -> sr.FindingSite:
    side = text_of(header, "ImageLaterality") or text_of(header, "Laterality")
    return sr.FindingSite(codes.BREAST, laterality=codes.LATERALITY.get(side))


def _sizes(lesion: TrackedLesion, spacing_mm: SpacingMm | None) -> list[sr.Measurement]:
    if spacing_mm is None:
        return []
    size = measure(lesion.mask, spacing_mm)
    told = (
        (codes.LONG_AXIS, size.long_axis_mm, codes.MILLIMETRE),
        (codes.SHORT_AXIS, size.short_axis_mm, codes.MILLIMETRE),
        (codes.AREA, size.area_mm2, codes.SQUARE_MILLIMETRE),
        (codes.PERIMETER, size.perimeter_mm, codes.MILLIMETRE),
        (codes.HEIGHT, size.height_mm, codes.MILLIMETRE),
        (codes.WIDTH, size.width_mm, codes.MILLIMETRE),
        (codes.DEPTH_TO_WIDTH, size.depth_to_width, codes.RATIO),
    )
    return [sr.Measurement(name, round(value, 3), unit) for name, value, unit in told]


def _probability(reading: Reading, lesion: TrackedLesion, count: int) -> float | None:
    """How likely cancer is in a lesion: of the model's lesion that it overlaps most.

    Where the model marked none there, but the mask holds one lesion only, that of the image.
    """
    shares = [
        int(lesion.mask[one.box.top : one.box.bottom, one.box.left : one.box.right].sum())
        for one in reading.lesions
    ]
    if shares and max(shares) > 0:
        return _malignancy(reading.lesions[shares.index(max(shares))].probabilities)
    return _malignancy(reading.probabilities) if count == 1 else None


def _malignancy(probabilities: Any) -> float | None:
    return None if probabilities is None else probabilities.get(Pathology.MALIGNANT)


def _of_cancer(reading: Reading, probability: float | None) -> list[sr.Measurement]:
    if probability is None:
        return []
    algorithm = sr.AlgorithmIdentification(
        name=f"{MANUFACTURER} lesion classification",
        version=algorithm_version(reading.models, "classification"),
        parameters=[f"{task}: {model}" for task, model in sorted(reading.models.items())] or None,
        family=codes.ARTIFICIAL_INTELLIGENCE,
        manufacturer=MANUFACTURER,
    )
    percent = round(100 * probability, 2)
    return [
        sr.Measurement(codes.PROBABILITY_OF_CANCER, percent, codes.PERCENT, algorithm_id=algorithm)
    ]


def _assessments(reading: Reading) -> list[sr.QualitativeEvaluation]:
    found = []
    if reading.not_assessable is not None:
        found.append(sr.QualitativeEvaluation(codes.QUALITY, codes.NOT_ASSESSABLE))
    if reading.birads is not None:
        found.append(sr.QualitativeEvaluation(codes.ASSESSMENT, codes.BIRADS[reading.birads]))
    if reading.pathology in codes.PATHOLOGY:
        impression = codes.PATHOLOGY[reading.pathology]
        found.append(sr.QualitativeEvaluation(codes.IMPRESSION, impression))
    return found


def _settle(document: Dataset, reading: Reading) -> None:
    """Correct what highdicom writes otherwise than the standard (or a repetition) asks."""
    for element in document.iterall():
        if element.keyword != "ReferencedSOPSequence":
            continue
        for item in element.value:  # PS3.3 10.3: a segment or a frame, not both
            if "ReferencedSegmentNumber" in item and "ReferencedFrameNumber" in item:
                del item.ReferencedFrameNumber
    for observer in document.get("VerifyingObserverSequence", ()):
        when = reading.assessed_at.astimezone()
        observer.VerificationDateTime = when.strftime("%Y%m%d%H%M%S.%f")
    scheme = Dataset()
    scheme.CodingSchemeDesignator = codes.PRIVATE_SCHEME
    scheme.CodingSchemeName = codes.PRIVATE_SCHEME_NAME
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    document.CodingSchemeIdentificationSequence = [scheme]
