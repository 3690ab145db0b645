import numpy as np
import pytest

from sonoloop.errors import ConfigError
from sonoloop.settings import TrainingSettings
from sonoloop.training.examples import SegmentationExamples
from sonoloop.training.segmentation import _Batches


def examples(lesions: int, normals: int) -> SegmentationExamples:
    masks = np.zeros((lesions + normals, 8, 8), np.uint8)
    masks[:lesions, 2:5, 2:5] = 1
    return SegmentationExamples(
        np.zeros_like(masks), masks, tuple(str(index) for index in range(len(masks)))
    )


def drawn(share: float, *, lesions: int = 90, normals: int = 10, epoch: int = 1) -> np.ndarray:
    settings = TrainingSettings(min_normal_share=share)
    return _Batches(examples(lesions, normals), settings).drawn(epoch)


class TestNormalShare:
    def test_shows_images_without_lesion_as_often_as_asked(self) -> None:
        order = drawn(0.25)

        assert np.mean(order >= 90) == pytest.approx(0.25, abs=0.01)
        assert set(order) == set(range(100))

    def test_shows_every_image_once_when_there_are_enough(self) -> None:
        assert sorted(drawn(0.1)) == list(range(100))

    def test_cannot_show_what_is_not_there(self) -> None:
        assert sorted(drawn(0.25, normals=0)) == list(range(90))

    def test_draws_as_many_in_every_epoch_in_another_order(self) -> None:
        first, second = drawn(0.25, epoch=1), drawn(0.25, epoch=2)

        assert len(first) == len(second)
        assert first.tolist() != second.tolist()

    def test_refuses_a_share_of_everything(self) -> None:
        with pytest.raises(ConfigError, match="min_normal_share"):
            TrainingSettings(min_normal_share=1.0)
