"""Commands that are imported when they are called: listing them loads none of what they need."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is, and what is said of it in the list of all.

    Attributes:
        module: Of the package, below ``sonoloop.cli``.
        thing: Its function, or the ``typer.Typer`` of a group of commands.
        told: First line of its help; a test holds it against the command's own.
    """

    module: str
    thing: str
    told: str

    def load(self, name: str) -> TyperCommand | TyperGroup:
        """Import the command."""
        thing: Any = getattr(importlib.import_module(f"sonoloop.cli.{self.module}"), self.thing)
        around = typer.Typer(add_completion=False)
        if isinstance(thing, typer.Typer):
            around.add_typer(thing, name=name)
        else:
            around.command(name=name)(thing)
        made: Any = typer.main.get_group(around).commands[name]
        return made  # type: ignore[no-any-return]


Places: TypeAlias = Mapping[str, Place]


class LazyCommand(TyperCommand):
    """Stands for a command, or a group of them, until it is called.

    Args:
        name: Of the command.
        place: Where it is.
    """

    def __init__(self, name: str, place: Place) -> None:
        super().__init__(name, help=place.told)
        self._called, self._place = name, place

    @cached_property
    def real(self) -> TyperCommand | TyperGroup:
        """The command itself."""
        return self._place.load(self._called)

    def make_context(self, *args: Any, **more: Any) -> Any:
        """Begin to parse for the command itself; from here on it alone is spoken to."""
        return self.real.make_context(*args, **more)


def lazy_group(places: Places) -> type[TyperGroup]:
    """A kind of group that holds the commands at ``places``, in their order."""

    class LazyGroup(TyperGroup):
        """Lists commands without importing them."""

        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands.update({name: LazyCommand(name, place) for name, place in places.items()})

    return LazyGroup
