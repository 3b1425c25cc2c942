# SPDX-License-Identifier: Apache-2.0
"""A script's result: lines for people, or one JSON value for programs."""

import json
from collections.abc import Callable
from typing import Any

import click
from ape.logging import LogLevel, logger


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`. It also keeps ape's own messages off stdout."""

    def quiet_ape(_context: Any, _parameter: Any, is_json: bool) -> bool:
        if is_json:
            logger.set_level(LogLevel.WARNING)
        return is_json

    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        callback=quiet_ape,
        help="Print one JSON value to stdout and nothing else.",
    )(command)


def print_result(facts: dict[str, Any], as_json: bool) -> None:
    """Amounts in JSON are integers in wei; names are those of the protocol."""
    if as_json:
        click.echo(json.dumps(facts))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name:<{width}}  {value}")
