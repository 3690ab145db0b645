import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import load_threshold
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.evaluate import TWICE, Pipeline, evaluate_images
from sonoloop.labels import Pathology
from sonoloop.networks.card import ModelCard, write_card
from sonoloop.records import Findings, LabelledImage
from sonoloop.settings import PipelineSettings


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    write_card(tmp_path, ModelCard(model_id="m", task="segmentation", architecture="none"))
    return load_threshold(tmp_path, tmp_path, PipelineSettings())


@pytest.fixture
def lesion(tmp_path: Path) -> LabelledImage:
    """A bright square that is the lesion."""
    pixels = np.full((40, 60), 50, np.uint8)
    pixels[10:20, 10:30] = 200
    Image.fromarray(pixels).save(tmp_path / "image.png")
    Image.fromarray((pixels > 100).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    return LabelledImage(
        image_id="one",
        image_path=tmp_path / "image.png",
        mask_paths=(tmp_path / "mask.png",),
        has_mask=True,
        pathology=Pathology.MALIGNANT,
    )


def test_an_image_is_compared_with_its_truth(pipeline: Pipeline, lesion: LabelledImage) -> None:
    (case,), left_out = evaluate_images(pipeline, [lesion])

    assert left_out == []
    assert (case.dice, case.detected, case.malignant) == (1.0, True, 0.7)
    assert case.lesion_share == pytest.approx(200 / 2400)


def test_doubt_of_the_pipeline_is_kept(pipeline: Pipeline, lesion: LabelledImage) -> None:
    def doubtful(image: UltrasoundImage) -> Findings:
        return dataclasses.replace(pipeline(image), uncertainty=0.3, pathology_uncertainty=0.6)

    (case,), _ = evaluate_images(doubtful, [lesion])

    assert (case.uncertainty, case.pathology_uncertainty) == (0.3, 0.6)


def test_the_first_image_of_an_id_is_evaluated_and_the_others_are_told(
    pipeline: Pipeline, lesion: LabelledImage
) -> None:
    again = dataclasses.replace(lesion, pathology=Pathology.BENIGN)
    advanced = []

    cases, left_out = evaluate_images(
        pipeline, [lesion, again], advance=lambda: advanced.append(True)
    )

    assert [case.pathology for case in cases] == [Pathology.MALIGNANT]
    assert left_out == [("one", TWICE)]
    assert len(advanced) == 2


def test_files_that_cannot_be_read_are_told_with_the_reason(
    pipeline: Pipeline, lesion: LabelledImage, tmp_path: Path
) -> None:
    small = tmp_path / "small.png"
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(small)
    items = [
        dataclasses.replace(lesion, image_id="gone", image_path=tmp_path / "gone.png"),
        dataclasses.replace(lesion, image_id="misfit", mask_paths=(small,)),
        lesion,
    ]

    cases, left_out = evaluate_images(pipeline, items)

    assert [case.image_id for case in cases] == ["one"]
    assert [image_id for image_id, _ in left_out] == ["gone", "misfit"]
    assert all(reason for _, reason in left_out)


def test_an_image_without_outline_has_no_overlap(pipeline: Pipeline, lesion: LabelledImage) -> None:
    bare = dataclasses.replace(lesion, mask_paths=(), has_mask=False)

    (case,), _ = evaluate_images(pipeline, [bare])

    assert (case.has_lesion, case.dice, case.accuracy) == (None, None, None)
    assert case.marked
