"""The stand-in for ``pydicom-seg``."""

from typing import Any

import pytest

import pydicom_seg

PACKAGE: Any = pydicom_seg


def test_importing_names_of_it_succeeds() -> None:
    from pydicom_seg import MultiClassWriter, template

    assert MultiClassWriter is not None
    assert template is not None


def test_calling_it_fails_with_a_clear_sentence() -> None:
    with pytest.raises(RuntimeError, match=r"pydicom_seg\.MultiClassWriter is not available"):
        PACKAGE.MultiClassWriter(template={})


def test_reaching_into_it_fails_with_a_clear_sentence() -> None:
    with pytest.raises(RuntimeError, match="does not use MONAI Label's DICOM SEG conversion"):
        PACKAGE.template.from_dcmqi_metainfo("x")


def test_it_does_not_pretend_to_more() -> None:
    assert not hasattr(pydicom_seg, "__path_of_nothing__")
