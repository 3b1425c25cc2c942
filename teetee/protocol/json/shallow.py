# SPDX-License-Identifier: Apache-2.0
"""Parses untrusted JSON; refuses deeply nested text before parsing it.

Python's parser recurses in C up to the interpreter's recursion limit. A required library raises
that limit so far that hostile text would crash the process instead of raising an error. All JSON
that comes from outside is parsed here (tests/test_layout.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final

MAX_DEPTH: Final = 64
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

# Possessive, so that text of any form takes linear time. An open string ends with the text.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in _STEPS)

# An escape of half a surrogate pair. Whole pairs and all other escapes are matched first, so that
# neither the second half of a pair nor `\\ud800`, an escaped backslash, is taken for one.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u(?P<half>[dD][89a-fA-F])|.)", re.DOTALL
)

PairsHook = Callable[[list[tuple[str, Any]]], Any]


class NotJson(ValueError):
    """Text that is not JSON. The message begins with a verb, and never quotes the text."""


def load(
    data: bytes,
    *,
    allow_byte_order_mark: bool = False,
    object_pairs_hook: PairsHook | None = None,
    parse_constant: Callable[[str], Any] | None = None,
) -> Any:
    """The value of JSON in UTF-8, nested at most 64 deep; its texts can all be encoded. Raises
    `NotJson`.

    Files that people edit may begin with a byte order mark; messages may not. The hooks are those
    of `json.loads`; what they raise passes.
    """
    if allow_byte_order_mark:
        data = data.removeprefix(BYTE_ORDER_MARK)
    require_shallow(data)
    _require_unicode(data)
    try:
        return json.loads(
            data.decode(), object_pairs_hook=object_pairs_hook, parse_constant=parse_constant
        )
    except UnicodeDecodeError:
        raise NotJson("is not UTF-8 text") from None
    except json.JSONDecodeError:
        raise NotJson("is not JSON") from None
    except ValueError as error:
        if str(error).startswith("Exceeds the limit"):  # digits of an integer
            raise NotJson("contains a number with too many digits") from None
        raise


def require_shallow(data: bytes) -> None:
    """Raises `NotJson` for text nested more than 64 deep, JSON or not."""
    # Text with few brackets cannot be nested deeply.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise NotJson(f"nests lists and objects more than {MAX_DEPTH} deep")


def _require_unicode(data: bytes) -> None:
    """Raises `NotJson` for half of a surrogate pair, which no log or tokenizer can encode."""
    if b"\\u" in data and any(escape["half"] for escape in _ESCAPE.finditer(data)):
        raise NotJson("contains half of a surrogate pair, which is not Unicode text")


def _depth(data: bytes) -> int:
    brackets = _STRING.sub(b"", data).translate(None, delete=_NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)
