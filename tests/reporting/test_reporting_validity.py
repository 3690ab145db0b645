"""Everything written is valid DICOM by dciodvfy, and readable by DCMTK."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from sonoloop.reporting.documents import DocumentOptions, documents_for, read_documents

Validate = Callable[[bytes], list[str]]
pytestmark = pytest.mark.dciodvfy

CHANGES: dict[str, dict[str, Any]] = {
    "final": {},
    "draft": {"state": "draft", "reader": ""},
    "uncalibrated": {"spacing_mm": None},
    "by_hand": {"models": {}, "probabilities": None, "lesions": ()},
    "untold": {"pathology": None, "birads": None},
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_image_gives_valid_documents(
    image: Dataset, change: str, make: Any, validate: Validate
) -> None:
    reading = make.reading(image, make.frame_of(image), **CHANGES[change])
    documents = documents_for(image, reading)

    assert len(documents.all) == 2
    assert {one.sop_class_uid: validate(one.data) for one in documents.all} == {
        "1.2.840.10008.5.1.4.1.1.66.4": [],
        "1.2.840.10008.5.1.4.1.1.88.34": [],
    }


def test_no_lesion_gives_a_valid_report(image: Dataset, make: Any, validate: Validate) -> None:
    documents = documents_for(image, make.reading(image, make.frame_of(image), **make.no_lesion))

    assert documents.segmentation is None
    assert [validate(one.data) for one in documents.all] == [[]]


@pytest.mark.parametrize("birads", ["0", "1", "2", "3", "4", "4A", "4B", "4C", "5", "6"])
def test_every_birads_category_is_valid(birads: str, make: Any, validate: Validate) -> None:
    image = make.images["mono"]()
    documents = documents_for(image, make.reading(image, birads=birads))

    assert documents.report is not None
    assert validate(documents.report.data) == []


@pytest.mark.parametrize("kind", ["mono", "cine", "placed"])
@pytest.mark.parametrize(
    "options",
    [
        DocumentOptions(geometry="none"),
        DocumentOptions(segmentation=False),
        DocumentOptions(report=False),
        DocumentOptions(organization="Ω" * 80),
    ],
    ids=["no geometry", "no SEG", "no SR", "organization"],
)
def test_every_option_gives_valid_documents(
    kind: str, options: DocumentOptions, make: Any, validate: Validate
) -> None:
    image = make.images[kind]()
    reading = make.reading(image, make.frame_of(image), spacing_mm=(0.05, 0.2))
    documents = documents_for(image, reading, options=options)

    assert [validate(one.data) for one in documents.all] == [[]] * (
        options.segmentation + options.report
    )


def test_an_image_that_cannot_be_assessed_is_reported(make: Any, validate: Validate) -> None:
    image = make.images["mono"]()
    said = make.no_lesion | {"pathology": None, "birads": None, "not_assessable": "no contact"}
    documents = documents_for(image, make.reading(image, probabilities=None, **said))

    assert [validate(one.data) for one in documents.all] == [[]]


def test_revisions_are_valid_too(make: Any, validate: Validate) -> None:
    image = make.images["cine"]()
    draft = documents_for(image, make.reading(image, 3, state="draft", reader=""))
    final = documents_for(image, make.reading(image, 3), previous=draft)
    seen = read_documents(*(one.data for one in final.all))
    corrected = documents_for(
        image, make.reading(image, 3, mask=np.roll(make.two_lesions(), 3)), previous=seen
    )

    assert [validate(one.data) for one in corrected.all] == [[], []]


def test_many_lesions_of_an_odd_size_are_valid(make: Any, validate: Validate) -> None:
    image = make.builders.dataset(make.builders.scan(61, 83))
    mask = np.zeros((61, 83), np.uint8)
    mask[::12, ::12] = 1
    documents = documents_for(image, make.reading(image, mask=mask))

    assert len(documents.lesions) == 6 * 7
    assert [validate(one.data) for one in documents.all] == [[], []]


def test_dcmtk_reads_the_report(make: Any, tmp_path: Path) -> None:
    if shutil.which("dsrdump") is None:
        pytest.skip("dsrdump (dcmtk) is absent, as dciodvfy may be")
    image = make.images["mono"]()
    report = documents_for(image, make.reading(image)).report
    assert report is not None
    (tmp_path / "report.dcm").write_bytes(report.data)
    run = subprocess.run(
        ["dsrdump", str(tmp_path / "report.dcm")], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert "Error" not in run.stderr
    assert '"Long Axis")="6.8" (mm,UCUM,"millimeter")' in run.stdout
    assert 'Assessment Category")=(MA.II.A.5.4B,BI[4.0],"4B' in run.stdout
