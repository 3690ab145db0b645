"""Sizes of the lesions in an answer, in millimetres or in pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import load_threshold
from sonoloop.geometry import Box
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.networks.card import ModelCard, write_card
from sonoloop.records import Findings, ModelTask
from sonoloop.service.analysis import answer_params, parse_form
from sonoloop.service.lesion_sizes import lesion_mask, sizes_of
from sonoloop.settings import PipelineSettings


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    """One lesion of 10 rows and 20 columns."""
    tasks: tuple[ModelTask, ...] = ("segmentation", "classification")
    for task in tasks:
        (tmp_path / task).mkdir()
        write_card(tmp_path / task, ModelCard(model_id=f"{task}-0", task=task, architecture="fake"))
    pixels = np.zeros((40, 60), dtype=np.uint8)
    pixels[5:15, 30:50] = 255
    segmentation, classification = (tmp_path / task for task in tasks)
    pipeline = load_threshold(segmentation, classification, PipelineSettings())
    return pipeline(UltrasoundImage(pixels=pixels, source_format="png"))


def test_without_calibration_sizes_are_in_pixels(findings: Findings) -> None:
    (size,) = sizes_of(findings)

    assert size["unit"] == "px"
    assert (size["height"], size["width"], size["area"]) == (10, 20, 200)
    assert size["long_axis"] == pytest.approx(np.hypot(10, 20), abs=0.01)


def test_rows_and_columns_have_their_own_spacing(findings: Findings) -> None:
    (size,) = sizes_of(replace(findings, spacing_mm=(0.3, 0.1)))

    assert size["unit"] == "mm"
    assert (size["height"], size["width"], size["area"]) == (3.0, 2.0, 6.0)
    assert size["depth_to_width"] == 1.5


def test_a_lesion_is_measured_without_what_of_others_lies_in_its_box() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:12, 2:4] = mask[10:12, 2:12] = True  # an L, with another in its corner
    mask[3:5, 8:10] = True

    alone = lesion_mask(mask, Box(2, 2, 12, 12))

    assert alone.sum() == 36
    assert not alone[3:5, 8:10].any()


def test_sizes_are_told_to_those_who_ask(findings: Findings) -> None:
    silent = answer_params("lesion", findings, parse_form({}))
    told = answer_params("lesion", findings, parse_form({"measurements": True}))

    assert "measurements" not in silent["lesions"][0]
    assert told["lesions"][0]["measurements"]["area"] == 200
