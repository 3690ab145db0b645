"""Segmentations as other programs write them, built by hand; loaded by path."""

import io
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless, SegmentationStorage

LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
Frame = tuple[npt.NDArray[Any], str, int | None, int | None]
"""Pixels, image, its frame from 1 (None: not told), segment (None: not told)."""


def item(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def pack_bits(data: bytes) -> bytes:
    """PackBits run lengths (PS3.5 G.3), runs of one as literals."""
    out = bytearray()
    for value, run in groupby(data):
        left = len(list(run))
        while left:
            count = min(left, 128)
            out += bytes([0, value]) if count == 1 else bytes([257 - count, value])
            left -= count
    return bytes(out)


def run_lengths(planes: list[bytes]) -> bytes:
    """One RLE frame of these planes."""
    packed = [pack_bits(plane) for plane in planes]
    starts = [64 + sum(map(len, packed[:index])) for index in range(len(packed))]
    header = np.array([len(packed), *starts, *[0] * (15 - len(packed))], "<u4")
    return header.tobytes() + b"".join(packed)


def pixel_data(frames: list[npt.NDArray[Any]], bits: int, *, rle: bool, apart: bool) -> bytes:
    """Pixel Data of the frames; ``apart`` begins each at a whole byte, as dcmjs does."""
    if bits == 1:
        packed = [np.packbits(one.ravel() > 0, bitorder="little").tobytes() for one in frames]
        if rle:
            return encapsulate([run_lengths([one]) for one in packed])
        together = np.packbits(np.concatenate([f.ravel() > 0 for f in frames]), bitorder="little")
        raw = b"".join(packed) if apart else together.tobytes()
    else:
        typed = [one.astype(f"<u{bits // 8}") for one in frames]
        if rle:
            planes = [[(f >> 8 * k).astype(np.uint8).tobytes() for k in range(bits // 8)][::-1]
                      for f in typed]  # fmt: skip
            return encapsulate([run_lengths(one) for one in planes])
        raw = b"".join(one.tobytes() for one in typed)
    return raw + b"\0" * (len(raw) % 2)


def segmentation(
    frames: list[Frame],
    *,
    bits: int = 1,
    rle: bool = False,
    apart: bool = False,
    kind: str = "BINARY",
    segments: dict[int, str] | None = None,
    meaning: str = "Mass",
) -> Dataset:
    """A segmentation with the faults of Cornerstone's: empty measures, and no more than needed."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = RLELossless if rle else ExplicitVRLittleEndian
    dataset.file_meta.ImplementationVersionName = "dcmjs-0.0" if apart else "OTHER"
    dataset.SOPClassUID = UID(LABEL_MAP_STORAGE) if kind == "LABELMAP" else SegmentationStorage
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID("1.2.3.99")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    dataset.Modality, dataset.Manufacturer = "SEG", "Unspecified"
    dataset.ContentCreatorName = "Roe^Rita"
    dataset.Rows, dataset.Columns = frames[0][0].shape
    dataset.NumberOfFrames = len(frames)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.SegmentationType = kind
    if kind == "FRACTIONAL":
        dataset.MaximumFractionalValue = 200
    dataset.SegmentSequence = [
        item(
            SegmentNumber=number,
            SegmentLabel=label,
            SegmentAlgorithmType="MANUAL",
            SegmentedPropertyCategoryCodeSequence=[code("49755003", "Abnormal")],
            SegmentedPropertyTypeCodeSequence=[code("4147007", meaning)],
        )
        for number, label in (segments or {1: "Segment 1"}).items()
    ]
    dataset.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=[])]
    dataset.PerFrameFunctionalGroupsSequence = [_group(*frame[1:]) for frame in frames]
    data = pixel_data([frame[0] for frame in frames], bits, rle=rle, apart=apart)
    dataset.add_new(0x7FE00010, "OB" if bits <= 8 else "OW", data)
    dataset["PixelData"].is_undefined_length = rle
    return dataset


def _group(image: str, frame: int | None, segment: int | None) -> Dataset:
    source = item(ReferencedSOPInstanceUID=image)
    if frame is not None:
        source.ReferencedFrameNumber = frame
    group = item(DerivationImageSequence=[item(SourceImageSequence=[source])])
    if segment is not None:
        group.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=segment)]
    return group


def saved(dataset: Dataset) -> bytes:
    """The file of a data set."""
    stream = io.BytesIO()
    dataset.preamble = bytes(128)
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()
