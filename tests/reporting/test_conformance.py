"""The conformance statement holds what the program does."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.sr.coding import Code

from sonoloop.pacs.sop_classes import REPORT, SEGMENTATION
from sonoloop.reporting import codes
from sonoloop.reporting.foreign import MAX_FRAMES, SEGMENTATION_CLASSES

STATEMENT = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text()
NOT_CODED = {"mm": "mm UCUM", "mm2": "mm2 UCUM", "{ratio}": "{ratio} UCUM", "%": "% UCUM"}


def every_code() -> list[Code]:
    found: list[Code] = []
    for value in vars(codes).values():
        values: Any = value.values() if isinstance(value, dict) else [value]
        found += [one for one in values if isinstance(one, Code)]
    return found


@pytest.mark.parametrize("code", every_code(), ids=lambda code: code.value)
def test_every_code_is_stated(code: Code) -> None:
    assert NOT_CODED.get(code.value, code.value) in STATEMENT
    assert code.scheme_designator in STATEMENT


def test_the_codes_are_those_of_the_standard() -> None:
    from pydicom.sr._concepts_dict import concepts  # no public table holds code by value

    known: Any = concepts
    for code in every_code():
        if code.scheme_designator not in ("SCT", "DCM"):
            continue
        values = {v for names in known[code.scheme_designator].values() for v in names}
        assert code.value in values or code.value in NOT_IN_PYDICOM, code


NOT_IN_PYDICOM = {"47079000"}


def test_classes_and_limits_are_stated() -> None:
    for uid in ("1.2.840.10008.5.1.4.1.1.88.34", *SEGMENTATION_CLASSES):
        assert uid in STATEMENT
    assert set(SEGMENTATION_CLASSES) == SEGMENTATION
    assert "1.2.840.10008.5.1.4.1.1.88.34" in REPORT
    assert f"{MAX_FRAMES:,}".replace(",", " ") in STATEMENT
