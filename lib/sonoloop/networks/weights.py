"""Model folders: ``weights.safetensors`` and ``card.json``, written whole or not at all."""

import dataclasses
import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from sonoloop.errors import ModelError
from sonoloop.networks.build import build_network
from sonoloop.networks.card import WEIGHTS_FILE, ModelCard, read_card, write_card


def save_model(
    network: torch.nn.Module, card: ModelCard, directory: Path, *, half: bool = False
) -> ModelCard:
    """Write a model folder; returns the card with the hash of the weights filled in.

    Args:
        network: Whose weights are written.
        card: What it is.
        directory: Made if need be.
        half: Write numbers of 16 bits, which halves the file; the network still computes in 32.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {name: _stored(t, half=half) for name, t in network.state_dict().items()}
    path = directory / WEIGHTS_FILE
    save_file(tensors, path, metadata={"model_id": card.model_id})
    card = dataclasses.replace(card, weights_sha256=sha256_of(path))
    write_card(directory, card)
    return card


def _stored(tensor: torch.Tensor, *, half: bool) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() else tensor


def load_weights(network: torch.nn.Module, directory: Path) -> None:
    """Fill a network from a model folder.

    Raises:
        ModelError: If the file is missing, corrupt, or of another architecture.
    """
    path = directory / WEIGHTS_FILE
    expected = read_card(directory).weights_sha256
    try:
        if expected and sha256_of(path) != expected:
            raise ModelError(f"{path.name} of {directory.name} does not match its card (sha256)")
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"weights of {directory.name} cannot be loaded: {error}") from None


def load_model(directory: Path) -> tuple[torch.nn.Module, ModelCard]:
    """The network of a model folder, in evaluation mode on the CPU, and its card.

    Raises:
        ModelError: If the folder is incomplete or corrupt.
        ConfigError: If the card names an architecture this version does not know.
    """
    card = read_card(directory)
    network = build_network(card.task, card.architecture, **card.options)
    load_weights(network, directory)
    return network.eval(), card


def broken_tensors(directory: Path) -> list[str]:
    """Names of the tensors of a model folder that hold what is no number.

    Raises:
        ModelError: If the weights cannot be read.
    """
    try:
        tensors = load_file(directory / WEIGHTS_FILE)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"weights of {directory.name} cannot be read: {error}") from None
    return [name for name, tensor in tensors.items() if not tensor.isfinite().all()]


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
