"""Segmenters that also tell how they see an image as a whole: the means of their deepest maps.

The deepest maps are those of the fewest pixels (but more than one), among them those of the most
channels, and of these the last: the bottleneck of an encoder-decoder, the end of a timm encoder; of
an ensemble, that of one member. They are found in the network itself, so every architecture has
them and nothing has to be compiled anew.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sonoloop.errors import ModelError
from sonoloop.inference.compile import ensure_compiled
from sonoloop.inference.engine import Batch, Engine, OpenVinoEngine, TorchEngine
from sonoloop.inference.load import uses_gpu
from sonoloop.settings import PipelineSettings


class FeatureEngine(Engine, Protocol):
    """A segmenter with features; used by one thread at a time."""

    def with_features(self, batch: Batch) -> tuple[Batch, Batch]:
        """Probabilities (N, 1, S, S) and features (N, D) of a batch (N, 1, S, S)."""
        ...


class OpenVinoFeatures(OpenVinoEngine):
    """On the CPU: the means become one more output of the compiled network."""

    def _prepared(self, model: Any) -> Any:
        from openvino import opset13

        maps = [output for operation in model.get_ordered_ops() for output in _maps_of(operation)]
        shapes = [_static_shape(output) for output in maps]
        means = opset13.reduce_mean(maps[deepest(shapes)], np.array([2, 3]), keep_dims=False)
        model.add_outputs([means.output(0)])
        return model

    def with_features(self, batch: Batch) -> tuple[Batch, Batch]:
        """See :class:`FeatureEngine`."""
        probabilities, features = self._outputs(batch, 0, 1)
        return probabilities, features


class TorchFeatures(TorchEngine):
    """In torch: a hook on the layer with the deepest maps."""

    def __init__(self, model_dir: Path, *, device: str) -> None:
        super().__init__(model_dir, device=device)
        self._seen: list[tuple[Any, tuple[int, ...]]] = []
        leaves = [layer for layer in self._network.modules() if not list(layer.children())]
        hooks = [layer.register_forward_hook(self._note_shape) for layer in leaves]
        size = self.card.input_size_px
        self(np.zeros((1, 1, size, size), dtype=np.float32))
        for hook in hooks:
            hook.remove()
        layer, _ = self._seen[deepest([shape for _, shape in self._seen])]
        self._features: Batch | None = None
        layer.register_forward_hook(self._keep_means)

    def _note_shape(self, layer: Any, inputs: Any, output: Any) -> None:
        del inputs
        if self._torch.is_tensor(output) and output.ndim == 4:
            self._seen.append((layer, tuple(output.shape[1:])))

    def _keep_means(self, layer: Any, inputs: Any, output: Any) -> None:
        del layer, inputs
        self._features = output.float().mean((2, 3)).cpu().numpy()

    def with_features(self, batch: Batch) -> tuple[Batch, Batch]:
        """See :class:`FeatureEngine`."""
        probabilities = self(batch)
        if self._features is None:
            raise ModelError(f"{self.card.model_id} passed its deepest layer by")
        return probabilities, self._features


def deepest(shapes: Sequence[tuple[int, ...]]) -> int:
    """Place of the deepest maps among those of a network, in the order they are computed.

    Args:
        shapes: (C, h, w) of each.

    Raises:
        ModelError: If none has more than one pixel and one channel.

    Example:
        >>> deepest([(8, 32, 32), (64, 4, 4), (64, 4, 4), (32, 4, 4), (64, 1, 1), (1, 64, 64)])
        2
    """
    known = [
        (-height * width, channels, place)
        for place, (channels, height, width) in enumerate(shapes)
        if height * width > 1 and channels > 1
    ]
    if not known:
        raise ModelError("the network has no feature maps (no layer has several channels)")
    return max(known)[2]


def load_features(model_dir: Path, settings: PipelineSettings) -> FeatureEngine:
    """The engine of a segmenter with its features: torch on a GPU, OpenVINO on the CPU.

    Raises:
        ModelError: If the folder is incomplete or corrupt.
        ConfigError: If a GPU is asked for that is not there.
    """
    if uses_gpu(settings.device):
        return TorchFeatures(model_dir, device=settings.device)
    ensure_compiled(model_dir)
    return OpenVinoFeatures(model_dir, threads=settings.threads)


def _maps_of(operation: Any) -> Iterator[Any]:
    """Outputs of an operation of OpenVINO that are maps of known size."""
    if operation.get_type_name() in ("Parameter", "Constant", "Result"):
        return
    for output in operation.outputs():
        shape = output.get_partial_shape()
        four = shape.rank.is_static and shape.rank.get_length() == 4
        if four and all(shape[axis].is_static for axis in (1, 2, 3)):
            yield output


def _static_shape(output: Any) -> tuple[int, ...]:
    shape = output.get_partial_shape()
    return tuple(shape[axis].get_length() for axis in (1, 2, 3))
