"""Writes two tiny models with random weights, compiled: ``make_models.py DIR``."""

import sys
from pathlib import Path
from typing import Any

import torch

from sonoloop.inference.compile import compile_model
from sonoloop.labels import PATHOLOGIES
from sonoloop.networks.build import build_network
from sonoloop.networks.card import ModelCard
from sonoloop.networks.weights import save_model
from sonoloop.records import ModelTask

TINY: dict[ModelTask, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "segmentation": ("attention_unet", {"channels": (4, 8, 16)}, ("lesion",)),
    "classification": ("mobilenetv3_small", {}, tuple(PATHOLOGIES)),
}

torch.manual_seed(0)
for task, (architecture, options, classes) in TINY.items():
    folder = Path(sys.argv[1]) / task
    card = ModelCard(
        model_id=f"{task}-tiny",
        task=task,
        architecture=architecture,
        options=options,
        input_size_px=64,
        classes=classes,
    )
    save_model(build_network(task, architecture, **options).eval(), card, folder)
    compile_model(folder)
