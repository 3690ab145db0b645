"""Every architecture goes the whole way: training, model folder, torch, compiled."""

from pathlib import Path

import numpy as np
import pytest

from sonoloop.inference.compile import compile_model
from sonoloop.inference.engine import OpenVinoEngine, TorchEngine
from sonoloop.networks.build import architectures
from sonoloop.networks.card import read_card
from sonoloop.records import LabelledImage, ModelTask
from sonoloop.settings import TrainingSettings
from sonoloop.training.classification import train_classification
from sonoloop.training.segmentation import train_segmentation

TRAIN = {"segmentation": train_segmentation, "classification": train_classification}
FIGURES = {"segmentation": "dice", "classification": "auc"}


@pytest.mark.parametrize(
    ("task", "architecture"),
    [(t, a) for t in ("segmentation", "classification") for a in architectures(t)],
)
def test_an_architecture_trains_two_epochs_and_predicts(
    task: ModelTask, architecture: str, blobs: list[LabelledImage], tmp_path: Path
) -> None:
    settings = TrainingSettings(
        architecture=architecture,
        input_size_px=64,
        max_epochs=2,
        batch_size=2,
        validation_fraction=0.4,
        tracking="none",
        precision="float32",
        threads=1,
        device="cpu",
    )
    images = np.random.default_rng(0).random((1, 1, 64, 64), dtype=np.float32)

    folder = TRAIN[task](blobs[:8], settings, tmp_path)
    compile_model(folder)

    card = read_card(folder)
    assert card.architecture == architecture
    assert card.metrics["epochs"] == 2
    assert 0 <= card.metrics["validation"][FIGURES[task]] <= 1
    probabilities = OpenVinoEngine(folder, threads=1)(images)
    assert probabilities.shape == ((1, 1, 64, 64) if task == "segmentation" else (1, 3))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    eager = TorchEngine(folder, device="cpu")(images)
    np.testing.assert_allclose(probabilities, eager, atol=1e-4)
