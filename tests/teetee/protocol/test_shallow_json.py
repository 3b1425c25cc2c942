# SPDX-License-Identifier: Apache-2.0
"""JSON from outside.

given any text
    when it is nested deeper than 64, as objects, lists or both
        it should be refused before it is parsed, in linear time
    when brackets stand in its strings
        they should not count
given text that is not JSON, not UTF-8, or has a number that Python does not read
    when it is loaded
        it should say which, and quote nothing
given half of a surrogate pair as an escape, in a value or a name
    when it is loaded
        it should be refused: the first log that shows it would fail
given a file with a byte order mark
    when the caller allows one
        it should be read
"""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.protocol.json.shallow import MAX_DEPTH, NotJson, load, require_shallow
from teetee.protocol.json.source_text import members_of


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


@pytest.mark.parametrize(
    ("opening", "innermost", "closing"),
    [("[", "", "]"), ('{"a":', "1", "}"), ('[{"\\"]":', "1", "}]")],
    ids=["lists", "objects", "both, with an escaped quote"],
)
def test_load__at_the_bound_and_beyond__reads_and_refuses(
    opening: str, innermost: str, closing: str
) -> None:
    levels = opening.count("[") + opening.count("{")
    fitting = MAX_DEPTH // levels
    load((opening * fitting + innermost + closing * fitting).encode())
    with pytest.raises(NotJson, match=r"^nests lists and objects more than 64 deep$"):
        load((opening * (fitting + 1) + innermost + closing * (fitting + 1)).encode())


@pytest.mark.parametrize(
    "hostile",
    [b"[" * 200_000, b'{"a":' * 40_000, b'"\\"' * 70_000 + b"[" * 100, b'["' * 100_000],
    ids=["lists", "objects", "escaped quotes", "open strings"],
)
def test_load__200_kilobytes_of_brackets__is_refused_at_once(hostile: bytes) -> None:
    begun = time.perf_counter()
    with pytest.raises(NotJson):
        load(hostile)
    assert time.perf_counter() - begun < 5  # quadratic time would be minutes


@given(st.text(alphabet='[]{}"\\,:a1 ', max_size=400))
def test_load__any_text__is_read_or_refused_as_json_does(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(NotJson):
            load(text.encode())
    else:
        assert load(text.encode()) == expected


@given(st.text(alphabet='[]{}"\\', max_size=40))
def test_require_shallow__brackets_of_a_string__do_not_count(text: str) -> None:
    require_shallow(json.dumps([[text] * 50] * 3).encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON"),
        (b"<html>", "is not JSON"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8 text"),
        (b"1" * 5_000, "contains a number with too many digits"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
    ],
    ids=["empty", "a page", "UTF-16", "5,000 digits", "a byte order mark"],
)
def test_load__not_json__says_which(data: bytes, reason: str) -> None:
    with pytest.raises(NotJson) as refused:
        load(data)
    assert str(refused.value) == reason


def test_load__byte_order_mark_in_a_file__is_dropped() -> None:
    assert load(b'\xef\xbb\xbf{"a": 1}', allow_byte_order_mark=True) == {"a": 1}


def test_members_of__spacing__is_kept_as_it_was_written() -> None:
    assert members_of('{ "a" : [1,  2] ,"b":"c" }\n') == {"a": "[1,  2]", "b": '"c"'}


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 1}', '{"a": 1} x', "[]", "", '{"a": ' + nested(65).decode() + "}"],
    ids=["a member twice", "text behind it", "a list", "empty", "nested"],
)
def test_members_of__no_such_object__is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is the contract
        members_of(text)


@pytest.mark.parametrize(
    "text",
    [r"\ud800", r"\uDfFf", r"\ud83d\ud83d\ude00", r"\ud83d\n\ude00", r"\ude00\ud83d", r"\\\ud800"],
)
@pytest.mark.parametrize("form", ['"{}"', '{{"{}": 1}}'], ids=["value", "name"])
def test_load__half_a_surrogate_pair__is_refused(form: str, text: str) -> None:
    with pytest.raises(NotJson, match=r"^contains half of a surrogate pair"):
        load(form.format(text).encode())


@given(st.text(st.characters() | st.sampled_from('\\u"dD\U0001f600')))
def test_load__any_text_that_utf8_encodes__is_read(text: str) -> None:
    assert load(json.dumps(text).encode()) == text
    assert load(json.dumps(text, ensure_ascii=False).encode()) == text
