# SPDX-License-Identifier: Apache-2.0
"""Texts and layout of `--help`."""

from collections.abc import Callable
from inspect import getdoc
from typing import Any, TypeVar

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

_Command = TypeVar("_Command", bound=Callable[..., None])


def documented_command(
    app: typer.Typer, *examples: str, notes: str = ""
) -> Callable[[_Command], _Command]:
    """Registers a command: its help is its docstring, then `examples`, then `notes` as they are."""
    epilog = "\n".join(f"$ {example}" for example in examples)
    if notes:
        epilog += "\n\n" + escape(notes)

    def register(command: _Command) -> _Command:
        text = unwrapped(getdoc(command) or "")
        app.command(help=text, epilog=epilog, cls=HelpfulCommand)(command)
        return command

    return register


def unwrapped(text: str) -> str:
    """Puts each paragraph on one line, so that only the terminal's width breaks it."""
    return "\n\n".join(" ".join(each.split()) for each in text.strip().split("\n\n"))


class HelpfulCommand(TyperCommand):
    """A command whose help shows no type for flags."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters of the command."""
        return _without_flag_types(super().get_params(ctx))


class HelpfulGroup(TyperGroup):
    """A group of commands whose help shows no type for flags."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters of the group."""
        return _without_flag_types(super().get_params(ctx))


def _without_flag_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return parameters
