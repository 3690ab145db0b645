"""What a client asks of a training, in our words.

MONAI Label's clients send the keys of its own training task; those that have a meaning here are
translated, the rest of *its* keys are set aside, and anything else is a mistake that is told.
"""

from collections.abc import Mapping
from typing import Any, Final

from sonoloop.errors import ConfigError
from sonoloop.settings import TrainingSettings

TRANSLATED: Final = {
    "val_split": "validation_fraction",
    "train_batch_size": "batch_size",
    "pretrained": "warm_start",
}
"""Keys of MONAI Label under which a setting of ours goes."""

SET_ASIDE: Final = frozenset(
    {
        "client_id",
        "dataloader",
        "dataset",
        "description",
        "device",
        "enqueue",
        "gpus",
        "local_rank",
        "model",
        "multi_gpu",
        "name",
        "run_id",
        "tracking_experiment_name",
        "tracking_uri",
        "user",
        "val_batch_size",
    }
)
"""Keys of MONAI Label that say nothing here; the device is the server's choice, not a client's."""

LISTS: Final = frozenset({"preprocessing"})
"""Settings that are lists themselves; a list elsewhere is a choice, as Slicer keeps them."""

CHOSEN_BY_THE_SERVER: Final = frozenset({"allow_download", "threads", "validation_part"})


def training_settings(params: Mapping[str, Any]) -> TrainingSettings:
    """Settings of one training from the parameters of a request.

    Raises:
        ConfigError: If a parameter is unknown, malformed or out of range.

    Example:
        >>> training_settings({"max_epochs": 3, "val_split": 0.2, "multi_gpu": True}).max_epochs
        3
    """
    refused = sorted(CHOSEN_BY_THE_SERVER & set(params))
    if refused:
        raise ConfigError([f"{name!r} is chosen by the server" for name in refused])
    conf = {
        TRANSLATED.get(name, name): value if name in LISTS else _first_choice(value)
        for name, value in params.items()
        if name not in SET_ASIDE
    }
    if "tracking" in conf:
        conf["tracking"] = str(conf["tracking"]).lower()  # MONAI Label writes "None"
    return TrainingSettings.from_conf(conf)


def _first_choice(value: Any) -> Any:
    """The value itself; of a list the first."""
    return value[0] if isinstance(value, list) and value else value


def offered_settings() -> dict[str, Any]:
    """Parameters that ``/info`` offers to change, with their defaults."""
    defaults = TrainingSettings().as_dict()
    names = ("max_epochs", "batch_size", "learning_rate", "early_stop_patience", "warm_start")
    return {name: defaults[name] for name in names}
