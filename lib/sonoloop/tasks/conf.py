"""What ``--conf name value`` may say to the app."""

import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sonoloop.errors import ConfigError
from sonoloop.settings import PipelineSettings, PlaceSettings, ServerSettings

logger = logging.getLogger(__name__)

SET_ASIDE: Final = frozenset(
    {"models", "preload", "sam2", "server_mode", "skip_scoring", "skip_strategies"}
    | {"use_pretrained_model", "auto_update_scoring", "scribbles"}
)
"""Keys of MONAI Label and its sample apps that mean nothing here."""

OPTIONS: Final = frozenset({"host", "port"})
"""Settings of the server that MONAI Label's command takes as options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """The settings of the app, each in its group."""

    place: PlaceSettings
    server: ServerSettings
    pipeline: PipelineSettings


def parse_conf(conf: Mapping[str, Any]) -> AppSettings:
    """The settings that ``conf`` states; every other one keeps its default.

    Raises:
        ConfigError: If a name is unknown or a value malformed or out of range; it tells all.

    Example:
        >>> parse_conf({"rescan_s": "5", "device": "cpu", "models": "all"}).server.rescan_s
        5
    """
    groups: dict[str, type[Any]] = {
        "place": PlaceSettings,
        "server": ServerSettings,
        "pipeline": PipelineSettings,
    }
    group_of = {name: group for group, kind in groups.items() for name in kind().as_dict()}
    problems: list[str] = []
    told: dict[str, dict[str, Any]] = {group: {} for group in groups}
    for name, value in conf.items():
        if name in OPTIONS:
            problems.append(f"{name!r} is an option of the command: --{name} {value}")
        elif name in group_of:
            told[group_of[name]][name] = value
        elif name not in SET_ASIDE:
            close = difflib.get_close_matches(name, set(group_of) - OPTIONS, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            problems.append(f"unknown setting {name!r}{hint}")
    parsed: dict[str, Any] = {}
    for group, kind in groups.items():
        try:
            parsed[group] = kind.from_conf(told[group])
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return AppSettings(**parsed)
