"""Commands that take words and paths as they are written. Used by :mod:`shipway.cli.main` for every verb and group.

Typer gives each value of a command line to pydantic, whose import takes 70 ms: as long as all the rest of a start. A word is a
text already, and a path a word; only numbers that somebody writes are left to typer, which says well what is wrong with them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_origin

from typer.core import TyperCommand, TyperGroup


class Verb(TyperCommand):
    """A command without pydantic."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does."""
        _take_as_written(self.get_params(ctx))
        return super().parse_args(ctx, args)


class Verbs(TyperGroup):
    """A group of commands without pydantic."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does."""
        _take_as_written(self.get_params(ctx))
        return super().parse_args(ctx, args)


def _take_as_written(parameters: Iterable[Any]) -> None:
    for parameter in parameters:
        # A typer that has no such method does not ask pydantic; an instance that has one of its own was here before.
        if hasattr(parameter, "get_runtime_param") and "get_runtime_param" not in vars(parameter):
            reader = _Reader(parameter)
            parameter.get_runtime_param = lambda reader=reader: reader


class _Reader:
    """Stands where typer has its own reader of a parameter, and asks that one when a value needs it."""

    def __init__(self, parameter: Any) -> None:
        annotation = parameter.type_descriptor.annotation
        self._theirs = parameter.get_runtime_param
        self._several = get_origin(annotation) is list
        self._kind = get_args(annotation)[0] if self._several else annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """What typer's own would answer."""
        if value is None:
            return () if self._several else None
        if self._kind in (str, Path):
            return [self._kind(one) for one in value] if self._several else self._kind(value)
        if self._kind in (bool, int, float) and isinstance(value, self._kind):
            return value  # a default
        return self._theirs().coerce(value, param=param, ctx=ctx)
