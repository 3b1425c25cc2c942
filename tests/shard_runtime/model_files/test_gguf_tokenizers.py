# SPDX-License-Identifier: Apache-2.0
"""Tokenizers in a GGUF's metadata give the token ids that the model was trained with.

There is no llama.cpp here. The expected values are computed from what its src/llama-vocab.cpp
defines, the regular expressions of each pre-tokenizer (with the `regex` package), and from the
tokenizer.json of each model family (with the tokenizers package).

given a byte-level vocabulary and a pre-tokenizer that is supported
    its ids of the sample text should equal those of the family's tokenizer.json
    its words should equal those of llama.cpp's expressions
    where transformers knows the pre-tokenizer, its JSON should be the same: no digest changes
given one that is not supported, or none
    it should be refused by name
given a tokenizer.json beside a GGUF that splits text otherwise
    it should be refused
given begin and end tokens that contain what templates of the tokenizers package are written with
    they should stand around the text as any others
"""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import regex
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from shard_runtime import build_manifest, load_tokenizer, open_model
from shard_runtime.errors import TokenizerInvalid, TokenizerUnsupported
from shard_runtime.model_files.gguf.pre_tokenizers import PRE_TOKENIZERS
from shard_runtime.model_files.gguf.tokenizer_json import build_tokenizer, convert_tokenizer
from shard_runtime.model_files.tokenizer.sample_text import sample_lines
from tests.shard_runtime.gguf_tokenizers import (
    CONTROL,
    FIRST_ROW,
    NORMAL,
    SPECIAL,
    byte_level_gguf,
    byte_level_vocabulary,
    convert_in_this_process,
    tokenizer_of,
    write_tokenizer_gguf,
)

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT_4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_2 = LLAMA_3.replace("{1,3}", "")
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
GPT_2 = BYTES | {"use_regex": True}


@pytest.fixture(autouse=True)
def _convert_here(monkeypatch: pytest.MonkeyPatch) -> None:
    convert_in_this_process(monkeypatch)


def split(expression: str, **options: Any) -> dict[str, Any]:
    step = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated"}
    return {"type": "Sequence", "pretokenizers": [step | {"invert": False} | options, BYTES]}


# The pre_tokenizer and ignore_merges of each family's own tokenizer.json.
DIGITS = {"type": "Digits", "individual_digits": True}
FAMILIES: dict[str, tuple[dict[str, Any], bool]] = {
    "gpt-2": (GPT_2, False),  # openai-community/gpt2
    "smollm": (  # HuggingFaceTB/SmolLM2-135M-Instruct
        {"type": "Sequence", "pretokenizers": [DIGITS, GPT_2]},
        False,
    ),
    "llama-bpe": (split(LLAMA_3), True),  # meta-llama/Llama-3.2-1B-Instruct
    "llama3": (split(LLAMA_3), True),
    "llama-v3": (split(LLAMA_3), True),
    "dbrx": (split(LLAMA_3, behavior="Removed", invert=True), False),  # microsoft/phi-4
    "qwen2": (split(QWEN_2), False),  # Qwen/Qwen2.5-0.5B-Instruct
    "deepseek-r1-qwen": (split(QWEN_2), False),
    "tekken": (split(TEKKEN), True),  # mistralai/Mistral-Nemo-Instruct-2407
    "gpt-4o": (split(GPT_4O, behavior="Removed", invert=True), False),  # Phi-4-mini-instruct
}

# llama.cpp's expressions, applied one after the other; what they leave out is a word too.
LLAMA_CPP_GPT_2 = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"  # no last |\s+
)
LLAMA_CPP_CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
LLAMA_CPP = {
    "gpt-2": [LLAMA_CPP_GPT_2],
    "smollm": [r"\p{N}", LLAMA_CPP_GPT_2],
    "llama-bpe": [LLAMA_3.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", LLAMA_CPP_CONTRACTIONS)],
    "qwen2": [QWEN_2.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", LLAMA_CPP_CONTRACTIONS)],
}

REFUSED = (
    "default",
    "falcon",
    "falcon3",
    "starcoder",
    "refact",
    "command-r",
    "stablelm2",
    "olmo",
    "mpt",
    "deepseek-llm",
    "deepseek-coder",
    "deepseek-v3",
    "smaug-bpe",
    "poro-chat",
    "chatglm-bpe",
    "glm4",
    "viking",
    "jais",
    "codeshell",
    "bloom",
    "exaone",
    "chameleon",
    "minerva-7b",
    "megrez",
    "llama4",
    "superbpe",
    "trillion",
    "bailingmoe",
    "seed-coder",
    "hunyuan",
    "kimi-k2",
    "qwen35",
    "gemma4",
    "SmolLM",
    "gpt2",
    "qwen2.5",
)


def family_tokenizer(pre: str, tokens: list[str]) -> Tokenizer:
    """The vocabulary in the form of the family's own tokenizer.json."""
    pre_tokenizer, ignores_merges = FAMILIES[pre]
    _, merges = byte_level_vocabulary()
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    ids = {text: token for token, text in enumerate(tokens)}
    definition = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": ids[text], "content": text, "special": True} | special
            for text in tokens
            if text in SPECIAL
        ],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": BYTES,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": ignores_merges,
            "vocab": ids,
            "merges": [list(pair) for pair in merges],
        },
    }
    return Tokenizer.from_str(json.dumps(definition))


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_encode__supported_pre_tokenizer__gives_the_ids_of_the_family_s_tokenizer_json(
    pre: str, tmp_path: Path
) -> None:
    tokens, _ = byte_level_vocabulary()
    found = tokenizer_of(byte_level_gguf(tmp_path / "a.gguf", pre)).encode_lines(sample_lines())
    theirs = family_tokenizer(pre, [*tokens, *SPECIAL])
    for number, (line, ids) in enumerate(zip(sample_lines(), found, strict=True), start=1):
        assert ids == tuple(theirs.encode(line, add_special_tokens=False).ids), (number, line)


def words(line: str, expressions: list[str]) -> list[str]:
    """llama.cpp's `unicode_regex_split`: each expression splits the words of the one before."""
    found = [line] if line else []
    for expression in expressions:
        found = [part for word in found for part in _split(word, expression)]
    return found


def _split(word: str, expression: str) -> Iterator[str]:
    start = 0
    for match in regex.finditer(expression, word):
        if match.start() > start:
            yield word[start : match.start()]
        yield match[0]
        start = match.end()
    if start < len(word):
        yield word[start:]


@pytest.mark.parametrize("pre", LLAMA_CPP)
def test_split__supported_pre_tokenizer__gives_the_words_of_llama_cpp_s_expressions(
    pre: str,
) -> None:
    built = PRE_TOKENIZERS[pre].build()
    for line in sample_lines():
        places = [place for _, place in built.pre_tokenize_str(line)]
        found = [line[start:end] for start, end in places]
        assert found == words(line, LLAMA_CPP[pre]), line


@pytest.mark.parametrize(("line", "words_of_it"), [("x  2024", 6), ("\t\t3", 2)])
def test_split__spaces_before_digits__are_one_word(line: str, words_of_it: int) -> None:
    assert len(PRE_TOKENIZERS["smollm"].build().pre_tokenize_str(line)) == words_of_it


@pytest.mark.parametrize("pre", ["qwen2", "gpt-2", "dbrx", "gpt-4o", "deepseek-r1-qwen"])
def test_convert__pre_tokenizer_that_transformers_knows__gives_the_same_json(
    pre: str, tmp_path: Path
) -> None:
    """Their embedding digests stay what they were when transformers converted them."""
    path = byte_level_gguf(tmp_path / "a.gguf", pre)
    theirs = AutoTokenizer.from_pretrained(tmp_path, gguf_file=path.name).backend_tokenizer
    found = open_model(path).read_tokenizer_files().json
    assert found is not None
    assert json.loads(found) == json.loads(theirs.to_str())


@pytest.mark.parametrize("pre", [*REFUSED, None], ids=str)
def test_load_tokenizer__unsupported_pre_tokenizer__is_refused_by_name(
    pre: str | None, tmp_path: Path
) -> None:
    source = open_model(byte_level_gguf(tmp_path / "a.gguf", pre))
    found = "is absent" if pre is None else repr(pre)
    for read in (load_tokenizer, build_manifest):
        with pytest.raises(TokenizerUnsupported, match=f"tokenizer.ggml.pre .*{found}"):
            read(source)


def test_convert__in_its_own_process__gives_the_same_json_or_says_what_is_wrong(
    tmp_path: Path,
) -> None:
    path = byte_level_gguf(tmp_path / "a.gguf", "smollm")
    assert convert_tokenizer(path) == str(build_tokenizer(path).to_str())
    broken = byte_level_gguf(tmp_path / "b.gguf", "smollm", merges=None)
    with pytest.raises(TokenizerInvalid, match="merges is absent"):
        convert_tokenizer(broken)


# -- a tokenizer.json beside -------------------------------------------------------------------


def test_load_tokenizer__json_beside_splits_otherwise__is_refused(tmp_path: Path) -> None:
    """As an earlier version converted it: without splitting the digits off."""
    tokens, _ = byte_level_vocabulary()
    path = byte_level_gguf(tmp_path / "a.gguf", "smollm")
    family_tokenizer("gpt-2", [*tokens, *SPECIAL]).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokenizerInvalid, match="otherwise than the pre-tokenizer smollm"):
        tokenizer_of(path)
    family_tokenizer("smollm", [*tokens, *SPECIAL]).save(str(tmp_path / "tokenizer.json"))
    assert tokenizer_of(path).reads_text


def test_load_tokenizer__unsupported_gguf_with_the_model_s_own_json_beside__reads_it(
    tmp_path: Path,
) -> None:
    tokens, _ = byte_level_vocabulary()
    path = byte_level_gguf(tmp_path / "a.gguf", "viking")
    theirs = family_tokenizer("smollm", [*tokens, *SPECIAL])
    theirs.save(str(tmp_path / "tokenizer.json"))
    (ids,) = tokenizer_of(path).encode_lines(FIRST_ROW[:1])
    assert ids == tuple(theirs.encode(FIRST_ROW[0], add_special_tokens=False).ids)


def test_encode__qwen_2__does_not_compose_characters(tmp_path: Path) -> None:
    """llama.cpp does not, though the tokenizer.json of Qwen normalizes to NFC."""
    tokenizer = tokenizer_of(byte_level_gguf(tmp_path / "a.gguf", "qwen2"))
    parts = "e\u0301"
    assert tokenizer.encode_lines([parts]) != tokenizer.encode_lines(
        [unicodedata.normalize("NFC", parts)]
    )


@pytest.mark.parametrize("text", ["<x:y>", ":", "<a b>", "$A", "bos"])
def test_build_tokenizer__tokens_that_read_like_a_template__stand_around_the_text(
    text: str, tmp_path: Path
) -> None:
    path = write_tokenizer_gguf(
        tmp_path / "model.gguf",
        tokens=["a", "b", "ab", text, "</x:y>"],
        kinds=[NORMAL] * 3 + [CONTROL] * 2,
        pre="llama-bpe",
        merges=["a b"],
        bos_token_id=3,
        eos_token_id=4,
        add_bos_token=True,
        add_eos_token=True,
    )
    assert build_tokenizer(path).encode("ab").ids == [3, 2, 4]
