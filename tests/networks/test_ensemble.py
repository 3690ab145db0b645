from pathlib import Path
from typing import Any

import pytest
import torch

from sonoloop.errors import ConfigError, ModelError
from sonoloop.networks.build import build_ensemble, build_network
from sonoloop.networks.card import ModelCard, read_card
from sonoloop.networks.combine import combine_models
from sonoloop.networks.weights import load_model, save_model
from sonoloop.records import ModelTask

SMALL: dict[str, Any] = {"channels": (8, 16, 32)}


def model_folder(
    folder: Path, name: str, *, task: ModelTask = "segmentation", seed: int = 0, **card: Any
) -> Path:
    torch.manual_seed(seed)
    architecture, options = "attention_unet", dict(SMALL)
    if task == "classification":
        architecture, options = "multi_attention", {"channels": (4, 8), "classes": 3}
    network = build_network(task, architecture, **options)
    fields: dict[str, Any] = {"input_size_px": 64, "classes": (), **card}
    save_model(
        network,
        ModelCard(model_id=name, task=task, architecture=architecture, options=options, **fields),
        folder / name,
    )
    return folder / name


def picture(size: int = 64) -> torch.Tensor:
    return torch.rand(2, 1, size, size, generator=torch.Generator().manual_seed(1))


class TestCombineModels:
    def test_answers_with_the_mean_probability_of_segmenters(self, tmp_path: Path) -> None:
        folders = [model_folder(tmp_path, name, seed=s) for s, name in enumerate("ab")]

        network, card = load_model(combine_models(folders, tmp_path / "out"))

        single = [torch.sigmoid(load_model(folder)[0](picture())) for folder in folders]
        mean = torch.stack(single).mean(0)
        assert torch.allclose(torch.sigmoid(network(picture())), mean, atol=1e-5)
        assert card.architecture == "ensemble"
        assert card.data.keys() == {"a", "b"}

    def test_applies_the_temperature_of_every_classifier(self, tmp_path: Path) -> None:
        folders = [
            model_folder(tmp_path, name, task="classification", seed=s, temperature=t)
            for s, (name, t) in enumerate([("a", 1.0), ("b", 4.0)])
        ]

        network, _ = load_model(combine_models(folders, tmp_path / "out"))

        a, b = (load_model(folder)[0](picture()) for folder in folders)
        expected = (torch.softmax(a, 1) + torch.softmax(b / 4, 1)) / 2
        assert torch.allclose(torch.softmax(network(picture()), 1), expected, atol=1e-5)

    def test_gives_every_member_its_own_input_size(self, tmp_path: Path) -> None:
        folders = [
            model_folder(tmp_path, "a", seed=0),
            model_folder(tmp_path, "b", seed=1, input_size_px=128),
        ]

        network, card = load_model(combine_models(folders, tmp_path / "out"))

        assert card.input_size_px == 128
        assert network(picture(128)).shape == (2, 1, 128, 128)

    def test_means_the_operating_points(self, tmp_path: Path) -> None:
        folders = [
            model_folder(tmp_path, name, task="classification", seed=s, operating_point=p)
            for s, (name, p) in enumerate([("a", 0.2), ("b", 0.4)])
        ]

        card = read_card(combine_models(folders, tmp_path / "out"))

        assert card.operating_point == pytest.approx(0.3)

    def test_halves_the_bytes_and_keeps_the_answer(self, tmp_path: Path) -> None:
        folder = model_folder(tmp_path, "a")

        smaller = combine_models([folder], tmp_path / "out", half=True)

        sizes = [(path / "weights.safetensors").stat().st_size for path in (folder, smaller)]
        assert sizes[1] < 0.7 * sizes[0]
        before, after = (load_model(path)[0](picture()) for path in (folder, smaller))
        assert torch.allclose(before, after, atol=2e-2)
        assert after.dtype is torch.float32

    def test_refuses_models_of_different_tasks(self, tmp_path: Path) -> None:
        folders = [
            model_folder(tmp_path, "a"),
            model_folder(tmp_path, "b", task="classification"),
        ]

        with pytest.raises(ModelError, match="differ in task"):
            combine_models(folders, tmp_path / "out")

    def test_refuses_classifiers_that_see_other_crops(self, tmp_path: Path) -> None:
        folders = [
            model_folder(tmp_path, name, task="classification", crop_margin=margin)
            for name, margin in (("a", 0.1), ("b", 0.25))
        ]

        with pytest.raises(ModelError, match="differ in crop_margin"):
            combine_models(folders, tmp_path / "out")

    def test_asks_for_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no model folder"):
            combine_models([], tmp_path / "out")


class TestEnsemble:
    def test_trains_all_its_members(self) -> None:
        member = {
            "architecture": "attention_unet",
            "options": SMALL,
            "input_size_px": 64,
            "temperature": 1.0,
        }
        network = build_ensemble("segmentation", [member, member]).train()

        network(picture()).mean().backward()

        gradients = [p.grad for p in network.parameters()]
        assert all(g is not None for g in gradients)

    def test_has_at_least_two_members(self) -> None:
        with pytest.raises(ConfigError, match="at least two members, got 0"):
            build_network("segmentation", "ensemble")

    def test_needs_to_know_how_a_member_is_built(self) -> None:
        with pytest.raises(ConfigError, match="lacks"):
            build_ensemble("segmentation", [{"architecture": "unet"}] * 2)
