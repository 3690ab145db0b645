"""Networks by name; each takes (N, 1, S, S) in [0, 1] and returns logits.

Segmenters return (N, 1, S, S); classifiers (N, classes). Weights are random: what a network
knows comes from a model folder (:mod:`sonoloop.networks.weights`) or from
:mod:`sonoloop.networks.imagenet`.
"""

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from pydantic import ValidationError, validate_call
from pydantic_core import ErrorDetails

from sonoloop.errors import ConfigError
from sonoloop.networks.classifiers import CLASSIFIERS
from sonoloop.networks.ensemble import Ensemble, Member
from sonoloop.networks.segmenters import SEGMENTERS, Builder
from sonoloop.records import ModelTask

ENSEMBLE = "ensemble"
"""Architecture of a model that :func:`build_ensemble` puts together; never trained from nothing."""

_BUILDERS: dict[ModelTask, dict[str, Builder]] = {
    "segmentation": SEGMENTERS,
    "classification": CLASSIFIERS,
}


def architectures(task: ModelTask) -> tuple[str, ...]:
    """Names :func:`build_network` knows for a task, the default first."""
    return tuple(_BUILDERS[task])


def default_architecture(task: ModelTask) -> str:
    """Attention U-Net for segmentation, EfficientNet-B0 for classification."""
    return architectures(task)[0]


def build_network(task: ModelTask, architecture: str, **options: Any) -> torch.nn.Module:
    """A network with random weights.

    Args:
        task: What the network is for.
        architecture: One of :func:`architectures`.
        options: Of that architecture, such as ``dropout``; of every classifier ``classes``, the
            number of its outputs.

    Raises:
        ConfigError: If the architecture or an option is unknown, or an option's value does not fit.
    """
    builders = _BUILDERS[task]
    if architecture == ENSEMBLE:
        return build_ensemble(task, options.get("members", []))
    if architecture not in builders:
        hint = _hint(architecture, builders)
        raise ConfigError([f"unknown {task} architecture {architecture!r}; {hint}"])
    builder = builders[architecture]
    try:
        return validate_call(builder)(**options)
    except ValidationError as error:
        raise ConfigError(
            [f"options of {architecture}: {_problem(builder, e)}" for e in error.errors()]
        ) from None


def build_ensemble(task: ModelTask, members: Sequence[Mapping[str, Any]]) -> Ensemble:
    """Networks that answer as one.

    Args:
        task: Of every member.
        members: Of each ``architecture``, ``options``, ``input_size_px`` and ``temperature``.

    Raises:
        ConfigError: If there are fewer than two, or one cannot be built.
    """
    if len(members) < 2:
        raise ConfigError([f"an ensemble has at least two members, got {len(members)}"])
    missing = {"architecture", "options", "input_size_px", "temperature"}
    for member in members:
        if missing - set(member):
            raise ConfigError([f"a member of an ensemble lacks {sorted(missing - set(member))}"])
    built = [
        Member(
            build_network(task, str(member["architecture"]), **member["options"]),
            int(member["input_size_px"]),
            float(member["temperature"]),
        )
        for member in members
    ]
    return Ensemble(built, segments=task == "segmentation")


def _problem(builder: Builder, error: ErrorDetails) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "unexpected_keyword_argument":
        return f"unknown {name!r}; {_hint(name, inspect.signature(builder).parameters)}"
    return f"{name}: {error['msg'].lower()}, got {error['input']!r}"


def _hint(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"one of {', '.join(names)}"
