"""Small models with random weights."""

from pathlib import Path

import pytest
import torch

from sonoloop.inference.compile import compile_model
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.build import build_network
from sonoloop.networks.card import ModelCard
from sonoloop.networks.weights import save_model


@pytest.fixture(scope="session")
def segmenter_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    options = {"channels": [4, 8, 16]}
    card = ModelCard(
        model_id="seg",
        task="segmentation",
        architecture="attention_unet",
        options=options,
        input_size_px=64,
        classes=("lesion",),
    )
    folder = tmp_path_factory.mktemp("models") / "seg"
    save_model(build_network("segmentation", "attention_unet", **options), card, folder)
    compile_model(folder)
    return folder


@pytest.fixture(scope="session")
def classifier_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    card = ModelCard(
        model_id="cls",
        task="classification",
        architecture="mobilenetv3_small",
        input_size_px=64,
        classes=tuple(PATHOLOGIES),
        crop_margin=0.25,
        temperature=1.7,
    )
    folder = tmp_path_factory.mktemp("models") / "cls"
    save_model(build_network("classification", "mobilenetv3_small"), card, folder)
    compile_model(folder)
    return folder
