# SPDX-License-Identifier: Apache-2.0
"""Converts between dataclasses and what the ABI calls their fields: `model_id` is `modelId`."""

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol, TypeVar

from teetee.chain.types.blocks import EventLog


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=_Dataclass)


def from_abi(kind: type[T], values: Mapping[str, Any], **others: object) -> T:
    """A `kind` whose fields have the values of their names; `others` are given by field name."""
    found = {
        field.name: values[abi_name]
        for field in fields(kind)
        if (abi_name := _abi_name(field.name)) in values
    }
    return kind(**(found | others))


def from_event(kind: type[T], log: EventLog, **others: object) -> T:
    """The same for an event's arguments, with its block, time and transaction, as far as the kind
    has them.
    """
    place = {
        "block_number": log.block_number,
        "block_time": log.timestamp,
        "transaction_hash": log.transaction_hash,
    }
    names = {field.name for field in fields(kind)}
    known = {name: value for name, value in place.items() if name in names}
    return from_abi(kind, log.arguments, **(known | others))


def to_abi(value: _Dataclass) -> dict[str, Any]:
    """The fields' values by their names in the ABI."""
    return {_abi_name(field.name): getattr(value, field.name) for field in fields(value)}


def _abi_name(field: str) -> str:
    first, *words = field.split("_")
    return first + "".join(word.capitalize() for word in words)
