"""What runs a network: OpenVINO on the CPU, torch on a GPU; both turn pictures to probabilities."""

import queue
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sonoloop.networks.card import ModelCard, read_card

Batch = npt.NDArray[np.float32]


class Engine(Protocol):
    """A network that is ready to run; safe to call from several threads."""

    card: ModelCard

    def __call__(self, batch: Batch) -> Batch:
        """Probabilities of a batch.

        Args:
            batch: (N, 1, S, S) float32 in [0, 1], S the card's ``input_size_px``.

        Returns:
            (N, 1, S, S) lesion probabilities of a segmenter; (N, classes) of a classifier.
        """
        ...


class OpenVinoEngine:
    """A compiled network on the CPU.

    Computed in float32 on every processor: with the bfloat16 that OpenVINO would choose where the
    hardware has it, the same image would get slightly different outlines on different machines.

    Args:
        model_dir: Model folder that :mod:`sonoloop.inference.compile` has compiled.
        threads: CPU threads; 0 leaves the choice to OpenVINO.
    """

    def __init__(self, model_dir: Path, *, threads: int = 0) -> None:
        import openvino

        self.card = read_card(model_dir)
        config: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        core = openvino.Core()
        model = self._prepared(core.read_model(model_dir / "openvino" / "model.xml"))
        self._compiled = core.compile_model(model, "CPU", config)
        # A request holds the network's buffers, so as few are made as ever ran at once.
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def _prepared(self, model: Any) -> Any:
        """The network as it is to be compiled."""
        return model

    @property
    def has_maps(self) -> bool:
        """Whether :meth:`class_maps` has an answer."""
        return len(self._compiled.outputs) > 1

    def __call__(self, batch: Batch) -> Batch:
        """See :class:`Engine`."""
        return self._output(batch, 0)

    def class_maps(self, batch: Batch) -> Batch:
        """Maps (N, classes, h, w) of what speaks for each class; see ``networks.explain``."""
        return self._output(batch, 1)

    def _output(self, batch: Batch, number: int) -> Batch:
        """One of the network's outputs; the other stays where it is and costs no copy."""
        return self._outputs(batch, number)[0]

    def _outputs(self, batch: Batch, *numbers: int) -> tuple[Batch, ...]:
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            result = request.infer([np.ascontiguousarray(batch)], share_inputs=True)
            return tuple(np.array(result[self._compiled.output(number)]) for number in numbers)
        finally:
            self._idle.put(request)


class TorchEngine:
    """A network in torch: the GPU's way, and the reference the compiled one is held to.

    On a GPU it computes in bfloat16 with channels last, on the CPU in float32.

    Args:
        model_dir: Model folder.
        device: ``cpu``, ``cuda`` or ``cuda:<n>``.
    """

    def __init__(self, model_dir: Path, *, device: str) -> None:
        import torch

        from sonoloop.inference.probability import probability_network
        from sonoloop.networks.device import bf16_pays, resolve_device

        self._torch = torch
        self._device = resolve_device(device)
        self._bf16 = self._device.type == "cuda" and bf16_pays(self._device)
        network, self.card = probability_network(model_dir)
        self.has_maps = network.has_maps
        self._network = network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, batch: Batch) -> Batch:
        """See :class:`Engine`."""
        return self._output(batch, 0)

    def class_maps(self, batch: Batch) -> Batch:
        """Maps (N, classes, h, w) of what speaks for each class; see ``networks.explain``."""
        return self._output(batch, 1)

    def _output(self, batch: Batch, number: int) -> Batch:
        torch = self._torch
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16),
        ):
            images = torch.from_numpy(batch).to(self._device, memory_format=torch.channels_last)
            outputs = self._network(images)
            chosen = outputs[number] if self.has_maps else outputs
            result: Batch = chosen.float().cpu().numpy()
        return result
