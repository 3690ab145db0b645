"""What an archive gave back, compared with what it was given."""

import io

import pytest
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from sonoloop.errors import PacsError
from sonoloop.pacs.comparing import Differences, differences

PIXELS = bytes(range(256)) * 4


def document() -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPInstanceUID = "1.2.3"
    dataset.SeriesDescription = "drawn by a reader"
    dataset.InstanceNumber = 12
    dataset.ImageComments = ""
    dataset.BitsAllocated = 8
    dataset.PixelData = PIXELS
    dataset["PixelData"].VR = "OB"
    return saved(dataset)


def saved(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def changed(**values: object) -> bytes:
    """The document with other values; None takes the attribute out."""
    dataset = dcmread(io.BytesIO(document()))
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return saved(dataset)


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        (document(), Differences()),
        (changed(ImageComments=None), Differences()),
        (changed(InstitutionName="Clinic"), Differences()),
        (changed(SeriesDescription=None), Differences(lost=("SeriesDescription",))),
        (changed(SeriesDescription=""), Differences(lost=("SeriesDescription",))),
        (changed(SeriesDescription="x"), Differences(changed=("SeriesDescription",))),
        (changed(PixelData=b"\1" * 1024), Differences(changed=("PixelData",))),
        (
            changed(InstanceNumber=None, PixelData=b"\1" * 1024),
            Differences(lost=("InstanceNumber",), changed=("PixelData",)),
        ),
    ],
)
def test_what_was_lost_is_told_apart_from_what_was_changed(kept: bytes, found: Differences) -> None:
    assert differences(document(), kept) == found


def test_a_document_cut_anywhere_has_lost_something_and_changed_nothing() -> None:
    whole = document()
    start = whole.index(b"drawn")

    for length in range(start, len(whole)):
        try:
            found = differences(whole, whole[:length])
        except PacsError:
            continue
        assert (bool(found.lost), found.changed) == (True, ()), length
