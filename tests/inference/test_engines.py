import json
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sonoloop.errors import CompilationEndedError, ConfigError, ModelError
from sonoloop.inference.compile import ensure_compiled, is_compiled
from sonoloop.inference.engine import Batch, OpenVinoEngine, TorchEngine
from sonoloop.inference.load import load_engine, load_pipeline
from sonoloop.settings import PipelineSettings

CPU = PipelineSettings(device="cpu")


def batch(count: int = 2) -> Batch:
    return np.random.default_rng(0).random((count, 1, 64, 64), dtype=np.float32)


@pytest.mark.parametrize("name", ["segmenter_dir", "classifier_dir"])
def test_the_compiled_network_answers_as_the_eager_one(
    name: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(name)

    compiled = load_engine(folder, CPU)
    eager = TorchEngine(folder, device="cpu")

    assert isinstance(compiled, OpenVinoEngine)
    for count in (1, 3):
        np.testing.assert_allclose(compiled(batch(count)), eager(batch(count)), atol=1e-4)


def test_the_temperature_of_the_card_softens_the_probabilities(classifier_dir: Path) -> None:
    warm = TorchEngine(classifier_dir, device="cpu")(batch())

    logits = np.log(warm)
    cold = np.exp(logits * 1.7) / np.exp(logits * 1.7).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(warm.sum(axis=1), 1, atol=1e-5)
    assert (cold.max(axis=1) > warm.max(axis=1)).all()


def test_a_model_is_compiled_once_and_again_when_its_weights_change(
    segmenter_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(segmenter_dir, folder, ignore=shutil.ignore_patterns("openvino"))
    assert not is_compiled(folder)
    ensure_compiled(folder)
    stamp = (folder / "openvino" / "model.xml").stat().st_mtime_ns
    ensure_compiled(folder)

    assert (folder / "openvino" / "model.xml").stat().st_mtime_ns == stamp

    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "temperature": 2.0}))
    assert not is_compiled(folder)


def test_a_form_compiled_by_an_earlier_version_is_made_anew(
    classifier_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(classifier_dir, folder)
    source = folder / "openvino" / "source.json"
    earlier = json.loads(source.read_text())
    assert is_compiled(folder)
    del earlier["form"]
    source.write_text(json.dumps(earlier))

    assert not is_compiled(folder)


def test_compiled_and_eager_class_maps_agree_and_leave_the_probabilities_alone(
    classifier_dir: Path, segmenter_dir: Path
) -> None:
    compiled, eager = load_engine(classifier_dir, CPU), TorchEngine(classifier_dir, device="cpu")
    assert isinstance(compiled, OpenVinoEngine)
    before = compiled(batch())

    maps = compiled.class_maps(batch())

    assert maps.shape[:2] == (2, 3)
    scale = np.abs(maps).max()
    assert scale > 0
    np.testing.assert_allclose(maps / scale, eager.class_maps(batch()) / scale, atol=1e-4)
    np.testing.assert_array_equal(compiled(batch()), before)
    assert compiled.has_maps
    assert eager.has_maps
    segmenter = load_engine(segmenter_dir, CPU)
    assert isinstance(segmenter, OpenVinoEngine)
    assert not segmenter.has_maps


def test_a_model_that_cannot_be_compiled_is_told(segmenter_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(segmenter_dir, folder, ignore=shutil.ignore_patterns("openvino"))
    (folder / "weights.safetensors").write_bytes(b"torn")

    with pytest.raises(ModelError, match=r"cannot be compiled: weights\.safetensors of model"):
        ensure_compiled(folder)


def test_a_pipeline_of_two_segmenters_is_refused(segmenter_dir: Path) -> None:
    with pytest.raises(ModelError, match="needs a classification model there"):
        load_pipeline(segmenter_dir, segmenter_dir, CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_gpu_that_is_not_there_is_refused(segmenter_dir: Path) -> None:
    with pytest.raises(ConfigError, match="not available"):
        load_engine(segmenter_dir, PipelineSettings(device="cuda"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", ["segmenter_dir", "classifier_dir"])
def test_the_gpu_answers_as_the_cpu_does(name: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(name)

    on_gpu = load_engine(folder, PipelineSettings(device="cuda"))(batch(4))
    on_cpu = load_engine(folder, CPU)(batch(4))

    np.testing.assert_allclose(on_gpu, on_cpu, atol=0.02)  # bfloat16 keeps 8 bits


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_compilation_that_was_told_to_end_is_no_fault_of_the_model(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", ended_by(number, tmp_path))

    with pytest.raises(CompilationEndedError, match=r"compiling m was ended by SIG(TERM|INT)"):
        ensure_compiled(tmp_path / "m")


def test_a_compilation_that_the_system_killed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", ended_by(signal.SIGKILL, tmp_path))

    with pytest.raises(ModelError, match=r"m cannot be compiled: .*SIGKILL.*memory"):
        ensure_compiled(tmp_path / "m")


def ended_by(number: int, folder: Path) -> str:
    """A program that ends as one does that got this signal."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\nkill -{int(number)} $$\n")
    program.chmod(0o700)
    return str(program)
