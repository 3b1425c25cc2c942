# SPDX-License-Identifier: Apache-2.0
"""A command group that imports a command's module only when that command is called.

`teetee --help` shows the summaries of a static table, so it pays for no client library. What a
command's own help says comes from its module; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

GetParams = Callable[[Any], list[Any]]


class LazyCommand(NamedTuple):
    """Where a command is defined, and its line in the list of commands."""

    target: str
    """`package.module:attribute`, the attribute being a `typer.Typer`."""
    summary: str
    panel: str

    def load(self, name: str) -> Any:
        """The command itself, with all its options."""
        module, _, attribute = self.target.partition(":")
        command: Any = typer.main.get_command(getattr(import_module(module), attribute))
        command.name = name
        for each in (command, *getattr(command, "commands", {}).values()):
            each.parse_args = _with_hints(each.parse_args)
            each.get_params = _without_flag_types(each.get_params)
            for parameter in each.params:
                if (wanted := _wanted_number(parameter)) is not None:
                    parameter.process_value = _quoting(parameter, wanted)
        return command


def _without_flag_types(get_params: GetParams) -> GetParams:
    """In help texts, a switch takes no value: `--json`, not `--json <bool>`."""

    def plain(context: Any) -> list[Any]:
        parameters = get_params(context)
        for parameter in parameters:
            if getattr(parameter, "is_flag", False) and parameter.metavar is None:
                parameter.metavar = ""
        return parameters

    return plain


def _with_hints(parse_args: Callable[[Any, list[str]], Any]) -> Callable[[Any, list[str]], Any]:
    """Errors about too many words, or a negative number, say what is meant."""

    def parse(context: Any, arguments: list[str]) -> Any:
        try:
            return parse_args(context, arguments)
        except typer.TyperException as error:
            if "unexpected extra argument" in error.message:
                error.message += ". Put a text with spaces in quotes."
            elif re.fullmatch(r"No such option: -[\d.]+", error.message):
                error.message += ". A number cannot be negative here."
            raise

    return parse


def _wanted_number(parameter: Any) -> str | None:
    """`a whole number from 1 to 4`; None: the parameter takes no number."""
    names: dict[Any, str] = {int: "a whole number", float: "a number"}
    name = names.get(parameter.type_descriptor.annotation)
    first, last = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if name is None or first is None:
        return name
    return f"{name} from {first} {'up' if last is None else f'to {last}'}"


def _quoting(parameter: Any, wanted: str) -> Callable[[Any, Any], Any]:
    """The parameter's parser, with errors that quote the value and say what is wanted."""
    process = parameter.process_value

    def process_value(context: Any, value: Any) -> Any:
        try:
            return process(context, value)
        except typer.BadParameter as error:
            if error.__cause__ is None:  # a parser of ours
                raise
            text = f"{str(value)[:40]!r} is not {wanted}."
            raise typer.BadParameter(text, ctx=context, param=parameter) from None

    return process_value


def lazy_group(table: dict[str, LazyCommand]) -> type[TyperGroup]:
    """A group class of these commands, listed in the order of the table."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for name, lazy in table.items():
                # A stand-in: enough for the list of commands, for completion and for suggestions.
                self.add_command(
                    TyperCommand(name, short_help=lazy.summary, rich_help_panel=lazy.panel)
                )

        def get_params(self, ctx: Any) -> list[Any]:
            return _without_flag_types(super().get_params)(ctx)

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None and name in table:
                command = table[name].load(name)
            return name, command, rest

    return LazyGroup
