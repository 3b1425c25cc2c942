# SPDX-License-Identifier: Apache-2.0
"""Parses a JSON object in which no name occurs twice.

Python's parser keeps the last value of a repeated name, other parsers the first: two readers of one
file would take it for two.
"""

from typing import Any

from teetee.protocol.json import shallow


def load_object(data: bytes) -> dict[str, Any]:
    """The object. Raises `NotJson`, which names the repeated field of this or an inner object."""
    value = load(data)
    if not isinstance(value, dict):
        raise shallow.NotJson("is not an object")
    return value


def load(data: bytes) -> Any:
    """Any value. Raises `NotJson`, which names the repeated field of an object in it."""
    return shallow.load(data, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in fields if names.count(name) > 1)
        raise shallow.NotJson(f"has the field {repeated} more than once")
    return fields
