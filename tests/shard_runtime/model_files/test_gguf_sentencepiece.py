# SPDX-License-Identifier: Apache-2.0
"""Sentencepiece vocabularies in a GGUF give llama.cpp's token ids.

There is no llama.cpp here: its algorithm (src/llama-vocab.cpp) is written out below.

given a sentencepiece vocabulary, with and without a prefix space
    its ids of the sample text should equal those of the algorithm
given a vocabulary without a token for each byte
    it should be refused by name
"""

from pathlib import Path

import pytest
import regex

from shard_runtime.errors import TokenizerUnsupported
from shard_runtime.model_files.tokenizer.sample_text import sample_lines
from tests.shard_runtime.gguf_tokenizers import (
    CONTROL,
    FIRST_ROW,
    SPACE,
    USER_DEFINED,
    convert_in_this_process,
    sentencepiece_vocabulary,
    tokenizer_of,
    write_tokenizer_gguf,
)


@pytest.fixture(autouse=True)
def _convert_here(monkeypatch: pytest.MonkeyPatch) -> None:
    convert_in_this_process(monkeypatch)


class LlamaCppSentencepiece:
    """llama.cpp's `llm_tokenizer_spm_session` and what surrounds it, written out."""

    def __init__(self, tokens: list[str], scores: list[float], special: set[str]) -> None:
        self._ids = {text: token for token, text in enumerate(tokens)}
        self._scores = scores
        self._special = special

    def encode(self, text: str, prefix: bool) -> tuple[int, ...]:
        output: list[int] = []
        after_special = True
        for part in self._parts(text):
            if part in self._special:
                output.append(self._ids[part])
                after_special = True
            else:
                spaced = (" " if prefix and after_special else "") + part
                output += self._tokenize(spaced.replace(" ", SPACE))
                after_special = False
        return tuple(output)

    def _parts(self, text: str) -> list[str]:
        longest_first = sorted(self._special, key=lambda each: -len(each.encode()))
        expression = "|".join(regex.escape(each) for each in longest_first)
        return [part for part in regex.split(f"({expression})", text) if part]

    def _tokenize(self, text: str) -> list[int]:
        symbols = list(text)
        while True:
            best = None
            for place in range(len(symbols) - 1):
                token = self._ids.get(symbols[place] + symbols[place + 1])
                if token is not None and (best is None or self._scores[token] > best[0]):
                    best = (self._scores[token], place)
            if best is None:
                break
            place = best[1]
            symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
        return [token for symbol in symbols for token in self._tokens_of(symbol)]

    def _tokens_of(self, symbol: str) -> list[int]:
        if symbol in self._ids:
            return [self._ids[symbol]]
        return [self._ids[f"<0x{byte:02X}>"] for byte in symbol.encode()]


@pytest.mark.parametrize("prefix", [True, False], ids=["prefix space", "no prefix space"])
def test_encode__sentencepiece__gives_the_ids_of_llama_cpp_s_algorithm(
    prefix: bool, tmp_path: Path
) -> None:
    tokens, scores, kinds = sentencepiece_vocabulary()
    tokens += ["<|user|>", "<tag>"]
    kinds += [CONTROL, USER_DEFINED]
    scores += [0.0, 0.0]
    path = write_tokenizer_gguf(
        tmp_path / "a.gguf",
        tokens=tokens,
        kinds=kinds,
        model_name="llama",
        scores=scores,
        add_space_prefix=prefix,
    )
    tokenizer = tokenizer_of(path)
    theirs = LlamaCppSentencepiece(tokens, scores, {"<unk>", "<s>", "</s>", "<|user|>", "<tag>"})
    lines = [*FIRST_ROW, "  hi", "<s> hi</s>\n<|user|>x<tag> y", *sample_lines()]
    for line, ids in zip(lines, tokenizer.encode_lines(lines), strict=True):
        if len(line) < 300:  # the algorithm above is quadratic
            assert ids == theirs.encode(line, prefix), line
    assert tokenizer.encode_text("hi")[0] == 1  # begins with <s>
    assert tokenizer.eos_token_ids == {2}


def test_load_tokenizer__sentencepiece_without_bytes__is_refused(tmp_path: Path) -> None:
    path = write_tokenizer_gguf(
        tmp_path / "a.gguf",
        tokens=["<unk>", "<s>", "</s>", "a"],
        model_name="llama",
        scores=[0.0, 0.0, 0.0, -1.0],
    )
    with pytest.raises(TokenizerUnsupported, match="lacks tokens for single bytes"):
        tokenizer_of(path)
