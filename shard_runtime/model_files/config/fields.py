# SPDX-License-Identifier: Apache-2.0
"""Typed access to the fields of a JSON object or GGUF metadata, with bounds checks and errors that
name the field.
"""

from collections.abc import Mapping
from typing import Any

from shard_runtime.errors import ModelFileInvalid

MAX_NUMBER = (1 << 31) - 1

_MISSING = object()


class ConfigFields:
    """The fields of one file. Every reader raises `ModelFileInvalid` naming file and field."""

    def __init__(
        self, values: Mapping[str, Any], file: str, prefix: str = "", parent: str = ""
    ) -> None:
        """prefix: of the names in `values`. parent: of the names in errors."""
        self._values = values
        self._file = file
        self._prefix = prefix
        self._parent = parent

    def contains(self, field: str) -> bool:
        """Whether the field is present, even if it is null."""
        return self._prefix + field in self._values

    def has(self, field: str) -> bool:
        """Whether the field is present and not null."""
        return self._values.get(self._prefix + field) is not None

    def raw(self, field: str) -> Any:
        """The value as parsed; None if the field is missing."""
        return self._values.get(self._prefix + field)

    def integer(
        self, field: str, default: int | None = None, *, minimum: int = 1, maximum: int = MAX_NUMBER
    ) -> int:
        """An integer from `minimum` to `maximum`."""
        value = self._get(field, default)
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise self.invalid(field, f"must be an integer from {minimum} to {maximum}")
        return value

    def number(self, field: str, default: float | None = None) -> float:
        """A finite number of at least 0."""
        value = self._get(field, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise self.invalid(field, "must be a number of at least 0")
        return float(value)

    def positive(self, field: str, default: float | None = None) -> float:
        """A finite number above 0."""
        value = self.number(field, default)
        if value == 0:
            raise self.invalid(field, "must be a number above 0")
        return value

    def flag(self, field: str, default: bool) -> bool:
        """A boolean."""
        value = self._get(field, default)
        if not isinstance(value, bool):
            raise self.invalid(field, "must be true or false")
        return value

    def text(self, field: str, default: str | None = None) -> str:
        """A string."""
        value = self._get(field, default)
        if not isinstance(value, str):
            raise self.invalid(field, "must be a string")
        return value

    def numbers(self, field: str) -> tuple[float, ...]:
        """A list of one or more numbers above 0."""
        values = self._get(field, None)
        if not isinstance(values, list) or not values or not all(map(_is_positive, values)):
            raise self.invalid(field, "must be a list of one or more numbers above 0")
        return tuple(float(value) for value in values)

    def integers(self, field: str) -> tuple[int, ...]:
        """A list of integers of at least 0; empty if the field is missing."""
        values = self._get(field, [])
        if not isinstance(values, list) or not all(map(_is_index, values)):
            raise self.invalid(field, "must be a list of integers of at least 0")
        return tuple(values)

    def invalid(self, field: str, rule: str) -> ModelFileInvalid:
        """The error for a field that breaks `rule`."""
        return ModelFileInvalid(self._file, f"{self._parent}{self._prefix}{field} {rule}")

    def _get(self, field: str, default: object) -> Any:
        value = self._values.get(self._prefix + field, _MISSING)
        if value is _MISSING or value is None:
            if default is None:
                raise self.invalid(field, "is missing")
            return default
        return value


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER
