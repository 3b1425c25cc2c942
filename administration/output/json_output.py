# SPDX-License-Identifier: Apache-2.0
"""What a script says at its end: lines for a person, or one JSON value for a program."""

import json
from collections.abc import Callable
from typing import Any

import click
from ape.logging import LogLevel, logger


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`. Given, ape's own news no longer goes to stdout."""

    def hush(_context: Any, _parameter: Any, is_json: bool) -> bool:
        if is_json:
            logger.set_level(LogLevel.WARNING)
        return is_json

    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        callback=hush,
        help="Print one JSON value, and nothing else, to stdout.",
    )(command)


def tell(facts: dict[str, Any], as_json: bool) -> None:
    """Amounts in JSON are whole wei; names as everywhere in the protocol."""
    if as_json:
        click.echo(json.dumps(facts))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name:<{width}}  {value}")
