# SPDX-License-Identifier: Apache-2.0
"""A strict parser for untrusted JSON, whose errors never quote the text.

Refuses repeated fields, NaN and infinities, text that is not Unicode, and nesting deeper than 64.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from teetee.errors import MalformedFrame
from teetee.protocol.json.shallow import load

Refuse = Callable[[str, str], Exception]
"""Makes the error to raise from a field's name and the rule it breaks."""


def malformed_frame(field: str, rule: str) -> MalformedFrame:
    """The `Refuse` of messages between wallet and enclave."""
    return MalformedFrame(f"{field} {rule}")


def parse_object(data: bytes, refuse: Refuse) -> dict[str, Any]:
    """The JSON object in `data` (UTF-8)."""
    try:
        value = load(data, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except ValueError:
        raise refuse(
            "the text", "must be one JSON value in UTF-8, without NaN and without repeated fields"
        ) from None
    if not isinstance(value, dict):
        raise refuse("the text", "must be a JSON object")
    return value


def require_fields(
    value: object, fields: frozenset[str], name: str, refuse: Refuse
) -> dict[str, Any]:
    """`value`, if it is an object with exactly these fields."""
    if not isinstance(value, dict) or set(value) != fields:
        raise refuse(name, f"must be an object with exactly the fields {', '.join(sorted(fields))}")
    return value


def require_list(value: object, name: str, limit: int, refuse: Refuse) -> list[Any]:
    """`value`, if it is a list of at most `limit` items."""
    if not isinstance(value, list) or len(value) > limit:
        raise refuse(name, f"must be a list of at most {limit} items")
    return value


def require_text(value: object, name: str, refuse: Refuse) -> str:
    """`value`, if it is a string that UTF-8 can encode."""
    if not isinstance(value, str):
        raise refuse(name, "must be a string")
    try:
        value.encode()
    except (
        UnicodeEncodeError
    ):  # a lone surrogate: it would break the first log or tokenizer it meets
        raise refuse(name, "must be Unicode text") from None
    return value


def require_integer(value: object, name: str, first: int, last: int, refuse: Refuse) -> int:
    """`value`, if it is an integer from `first` to `last`, both included."""
    if not isinstance(value, int) or isinstance(value, bool) or not first <= value <= last:
        raise refuse(name, f"must be an integer from {first} to {last}")
    return value


def require_boolean(value: object, name: str, refuse: Refuse) -> bool:
    """`value`, if it is true or false."""
    if not isinstance(value, bool):
        raise refuse(name, "must be true or false")
    return value


def require_bytes(value: object, name: str, refuse: Refuse, *, size: int | None = None) -> bytes:
    """The bytes that a hex string with 0x stands for: `size` of them, or any number."""
    many = "bytes" if size is None else f"{size} bytes"
    if isinstance(value, str) and value.startswith("0x"):
        try:
            found = bytes.fromhex(value[2:])
        except ValueError:
            found = None
        # fromhex accepts spaces
        if found is not None and len(value) == 2 + 2 * len(found) and size in (None, len(found)):
            return found
    raise refuse(name, f"must be {many} as hex with 0x")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("repeated field")
    return fields


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("not a number")
