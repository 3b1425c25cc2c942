# SPDX-License-Identifier: Apache-2.0
"""Checks a `config.json` against its family's table of fields, and adds the absent ones.

A field that is not in the table is refused, whatever its value: it may change the result.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shard_runtime.errors import ConfigFieldUnsupported, ModelFileInvalid

ABSENT = object()
"""The default of a field whose absence stands for no fixed value."""

_TYPE_NAMES = {
    int: "an integer",
    float: "a number with a decimal point",
    bool: "true or false",
    str: "a string",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
_MAX_SHOWN_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Field:
    """What one field may hold."""

    types: tuple[type, ...]
    """Its JSON types. A boolean is no integer, and an integer no float, as in transformers."""
    default: Any = ABSENT
    """What an absent field stands for: the default of the family's class in transformers."""
    is_computed: bool = True
    """Whether its value is part of the computation; if not, it is known to have no effect …"""
    allows: Callable[[Any], bool] | None = None
    """… or to have none with the values that this accepts."""


FieldTable = Mapping[str, Field]


def computed(types: tuple[type, ...], default: Any = ABSENT) -> Field:
    """A field that the computation follows."""
    return Field(types, default)


def no_effect(types: tuple[type, ...], allows: Callable[[Any], bool] | None = None) -> Field:
    """A field without effect on the logits, if `allows` accepts its value."""
    return Field(types, is_computed=False, allows=allows)


def only(*values: Any) -> Callable[[Any], bool]:
    """Accepts these values; 0 is not taken for false."""
    return lambda value: any(type(value) is type(each) and value == each for each in values)


def complete_fields(
    table: FieldTable, values: Mapping[str, Any], family: str, file: str
) -> dict[str, Any]:
    """The fields that are computed, the absent ones with their defaults.

    Raises `ConfigFieldUnsupported` for a field or value that might change the result, and
    `ModelFileInvalid` for a value of another type.
    """
    for name, value in values.items():
        field = table.get(name)
        if field is None:
            raise ConfigFieldUnsupported(file, family, name, show_value(value))
        require_type(field.types, name, value, file)
        if field.allows is not None and not field.allows(value):
            raise ConfigFieldUnsupported(file, family, name, show_value(value))
    defaults = {name: each.default for name, each in table.items() if each.default is not ABSENT}
    return defaults | {name: value for name, value in values.items() if table[name].is_computed}


def require_type(types: tuple[type, ...], name: str, value: Any, file: str) -> None:
    """Raises `ModelFileInvalid` if `value` is of none of these types."""
    if type(value) not in types:
        expected = " or ".join(_TYPE_NAMES[each] for each in types)
        raise ModelFileInvalid(file, f"{name} must be {expected}, not {show_value(value)}")


def show_value(value: Any) -> str:
    """The value as JSON, shortened for an error message."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[:_MAX_SHOWN_LENGTH]}…"
