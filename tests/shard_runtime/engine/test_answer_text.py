# SPDX-License-Identifier: Apache-2.0
"""An answer's text, piece by piece.

given any text, its bytes one token each
    pieces joined should be the text, and no piece end within a character
given stop strings
    the text should end before the first of them, and no piece show a beginning of one
    text that only began like one should be returned at the end
given a model without a tokenizer
    it should give no text
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shard_runtime.engine.entry.answer_text import AnswerText
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles
from tests.shard_runtime.byte_tokenizer import byte_tokenizer

TOKENIZER = ModelTokenizer(TokenizerFiles(byte_tokenizer().to_str(), None, None, ()), "bytes")
# Characters of one to four bytes, and one that decoders use for what is none.
TEXTS = st.text(st.sampled_from("ab ü–漢🦆\n\ufffd"), max_size=30)


def tokens_of(text: str) -> list[int]:
    return byte_tokenizer().encode(text).ids


def pieces_of(text: str, *stops: str) -> list[str]:
    answer = AnswerText(TOKENIZER, stops)
    pieces = []
    for token in tokens_of(text):
        pieces.append(answer.push(token))
        if answer.is_stopped:
            break
    pieces.append(answer.finish())
    assert "".join(pieces) == answer.text
    return pieces


@given(TEXTS)
def test_push__any_text__joins_to_it_in_whole_characters(text: str) -> None:
    pieces = pieces_of(text)
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces if "\ufffd" not in text)


@given(st.lists(st.integers(0, 255), max_size=20))
def test_push__bytes_that_are_no_text__join_to_what_the_decoder_says(tokens: list[int]) -> None:
    answer = AnswerText(TOKENIZER, ())
    pieces = [answer.push(token) for token in tokens] + [answer.finish()]
    assert "".join(pieces) == TOKENIZER.decode(tokens)


@given(TEXTS, st.lists(st.text("ab ü🦆", min_size=1, max_size=3), max_size=3))
def test_push__stop_strings__ends_before_the_first(text: str, stops: list[str]) -> None:
    """First is the one that is complete first; each character is a step here."""
    expected = text
    for end in range(len(text) + 1):
        places = [text[:end].find(stop) for stop in stops if stop in text[:end]]
        if places:
            expected = text[: min(places)]
            break
    assert "".join(pieces_of(text, *stops)) == expected


def test_push__beginning_of_a_stop_string__is_withheld_until_certain() -> None:
    answer = AnswerText(TOKENIZER, ["END"])
    assert [answer.push(token) for token in tokens_of("aEN")] == ["a", "", ""]
    assert answer.push(tokens_of("b")[0]) == "ENb"
    assert [answer.push(token) for token in tokens_of("EN")] == ["", ""]
    assert answer.finish() == "EN"


def test_push__stop_string_reached__stops_and_gives_nothing_more() -> None:
    answer = AnswerText(TOKENIZER, ["END"])
    pieces = [answer.push(token) for token in tokens_of("goEND")]
    assert (pieces, answer.is_stopped, answer.finish()) == (["g", "o", "", "", ""], True, "")


@pytest.mark.parametrize("stops", [(), ("x",)], ids=["no stops", "a stop"])
def test_push__no_tokenizer__gives_no_text(stops: tuple[str, ...]) -> None:
    nothing = ModelTokenizer(TokenizerFiles(None, None, None, ()), "numbers")
    answer = AnswerText(nothing, stops)
    assert [answer.push(3), answer.push(4), answer.finish()] == ["", "", ""]
