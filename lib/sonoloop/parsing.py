"""How settings are parsed: once, at the edge, every problem told at the same time."""

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from sonoloop.errors import ConfigError


class Parsed:
    """Adds :meth:`from_conf` to a settings dataclass; a group of settings in it is told flat."""

    @classmethod
    def from_conf(cls, conf: Mapping[str, object]) -> Self:
        """Settings from names and values (text or typed); what is absent keeps its default.

        Raises:
            ConfigError: If a name is unknown or a value malformed or out of range.
        """
        kinds = typing.get_type_hints(cls, include_extras=True)
        groups = {name: kind for name, kind in kinds.items() if _is_group(kind)}
        group_of = {inner: name for name, kind in groups.items() for inner in kind().as_dict()}
        problems: list[str] = []
        values: dict[str, object] = {}
        told: dict[str, dict[str, object]] = {}
        for name, value in conf.items():
            if name in group_of:
                told.setdefault(group_of[name], {})[name] = value
                continue
            try:
                values[name] = _typed(name, value, kinds, others=group_of)
            except ConfigError as error:
                problems.extend(error.problems)
        for name, inner in told.items():
            try:
                values[name] = groups[name].from_conf(inner)
            except ConfigError as error:
                problems.extend(error.problems)
        if problems:
            raise ConfigError(problems)
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Names and values, as JSON carries them."""
        own = dataclasses.asdict(self)  # type: ignore[call-overload]
        groups = {name: value for name in own if _is_group(type(value := getattr(self, name)))}
        flat = {name: value for name, value in own.items() if name not in groups}
        for group in groups.values():
            flat |= group.as_dict()
        return flat


def _is_group(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Parsed)


def _typed(name: str, value: object, kinds: Mapping[str, Any], others: Iterable[str]) -> object:
    if name not in kinds or _is_group(kinds[name]):
        offered = [known for known in (*kinds, *others) if not _is_group(kinds.get(known))]
        close = difflib.get_close_matches(name, offered, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError([f"unknown setting {name!r}{hint}"])
    try:
        return TypeAdapter(kinds[name]).validate_python(_parts(value, kinds[name]))
    except ValidationError as error:
        rule = error.errors()[0]["msg"].lower()
        raise ConfigError([f"{name}: {rule}, got {value!r}"]) from None


def _parts(value: object, kind: object) -> object:
    """Text of a setting that holds several words, such as ``a,b``, as its words."""
    if isinstance(value, str) and typing.get_origin(kind) is tuple:
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def raise_if_any(problems: Iterable[str | None]) -> None:
    """Tell what is wrong, all of it at once; None stands for what is right.

    Raises:
        ConfigError: If anything is wrong.
    """
    told = [problem for problem in problems if problem]
    if told:
        raise ConfigError(told)


def outside(name: str, value: float, low: float, high: float) -> str | None:
    """What is wrong with a value that should be in [low, high], or None."""
    return None if low <= value <= high else f"{name} must be in [{low}, {high}], got {value}"
