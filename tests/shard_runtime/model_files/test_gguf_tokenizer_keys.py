# SPDX-License-Identifier: Apache-2.0
"""The `tokenizer.*` keys of a GGUF are honoured, known to be harmless, or refused by name.

given a key or a value that is not understood, or malformed
    it should be refused by name
given a key without effect
    it should change nothing
given flags for special tokens around plain text, or a name that llama.cpp treats specially
    they should be honoured as llama.cpp honours them
"""

from pathlib import Path
from typing import Any

import pytest

from shard_runtime.errors import TokenizerInvalid, TokenizerUnsupported
from tests.shard_runtime.gguf_tokenizers import (
    BEGIN,
    FIRST_ROW,
    byte_level_gguf,
    byte_level_vocabulary,
    convert_in_this_process,
    tokenizer_of,
    write_tokenizer_gguf,
)


@pytest.fixture(autouse=True)
def _convert_here(monkeypatch: pytest.MonkeyPatch) -> None:
    convert_in_this_process(monkeypatch)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("remove_extra_whitespaces", True),
        ("suppress_tokens", [1, 2]),
        ("normalizer__lowercase", True),
        ("precompiled_charsmap", [1, 2, 3]),
        ("add_sep_token", True),
        ("surprise", 1),
        ("tokenizer.surprise", "x"),
    ],
)
def test_load_tokenizer__key_that_is_not_understood__is_refused_by_name(
    key: str, value: Any, tmp_path: Path
) -> None:
    path = byte_level_gguf(tmp_path / "a.gguf", "gpt-2", **{key: value})
    with pytest.raises(TokenizerUnsupported, match=key.replace("__", ".")):
        tokenizer_of(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("add_space_prefix", False),
        ("remove_extra_whitespaces", False),
        ("token_type_count", 1),
        ("separator_token_id", 3),
        ("tokenizer.chat_templates", ["tool_use"]),
        ("tokenizer.chat_template.tool_use", "{{ messages }}"),
        ("tokenizer.huggingface.json", "{}"),
    ],
)
def test_load_tokenizer__key_without_effect__is_passed_over(
    key: str, value: Any, tmp_path: Path
) -> None:
    plain = tokenizer_of(byte_level_gguf(tmp_path / "a.gguf", "gpt-2"))
    found = tokenizer_of(byte_level_gguf(tmp_path / "b.gguf", "gpt-2", **{key: value}))
    assert found.encode_text(FIRST_ROW[0]) == plain.encode_text(FIRST_ROW[0])


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"merges": ["a b c", "zzz"]}, "merges"),
        ({"merges": ["Ġ zzzzzz"]}, "merges"),
        ({"merges": None}, "merges is absent"),
        ({"eos_token_id": 1 << 20}, "eos_token_id is 1048576"),
        ({"add_bos_token": "yes"}, "add_bos_token is 'yes'"),
        ({"bos_token_id": "1"}, "bos_token_id is '1'"),
        ({"eot_token_id": "1"}, "eot_token_id is '1'"),
        ({"eom_token_id": True}, "eom_token_id is True"),
        ({"fim_pad_token_id": 1 << 20}, "fim_pad_token_id is 1048576"),
    ],
    ids=[
        "no pair",
        "unknown token",
        "no merges",
        "beyond the vocabulary",
        "text",
        "id as text",
        "other id as text",
        "flag",
        "pad",
    ],
)
def test_load_tokenizer__malformed_metadata__is_refused_by_name(
    changes: dict[str, Any], what: str, tmp_path: Path
) -> None:
    path = byte_level_gguf(tmp_path / "a.gguf", "gpt-2", **changes)
    with pytest.raises(TokenizerInvalid, match=what):
        tokenizer_of(path)


@pytest.mark.parametrize("model", ["bert", "t5", "rwkv", "plamo2", "gemma4", "GPT2"])
def test_load_tokenizer__other_kind_of_tokenizer__is_refused_by_name(
    model: str, tmp_path: Path
) -> None:
    path = write_tokenizer_gguf(tmp_path / "a.gguf", tokens=["a", "b"], model_name=model)
    with pytest.raises(TokenizerUnsupported, match=f"tokenizer.ggml.model is '{model}'"):
        tokenizer_of(path)


@pytest.mark.parametrize(
    ("flags", "around"),
    [
        ({}, (0, 0)),
        ({"add_bos_token": True}, (1, 0)),
        ({"add_bos_token": True, "add_eos_token": True}, (1, 1)),
    ],
    ids=["by default", "bos", "both"],
)
def test_encode_text__flags_of_the_file__surround_plain_text(
    flags: dict[str, Any], around: tuple[int, int], tmp_path: Path
) -> None:
    tokens, _ = byte_level_vocabulary()
    found = tokenizer_of(byte_level_gguf(tmp_path / "a.gguf", "gpt-2", **flags)).encode_text("x")
    assert found[: around[0]] == (len(tokens),) * around[0]
    assert found[len(found) - around[1] :] == (len(tokens) + 1,) * around[1]
    assert len(found) == 1 + sum(around)


def test_encode_text__llama_3__begins_with_bos_unless_the_file_says_no(tmp_path: Path) -> None:
    tokens, _ = byte_level_vocabulary()
    begins = tokenizer_of(byte_level_gguf(tmp_path / "a.gguf", "llama-bpe")).encode_text("x")
    assert begins[0] == len(tokens)
    quiet = byte_level_gguf(tmp_path / "b.gguf", "llama-bpe", add_bos_token=False)
    assert tokenizer_of(quiet).encode_text("x") == begins[1:]


def test_encode__phi_3__strips_what_follows_a_control_token(tmp_path: Path) -> None:
    """By the model's name, as llama.cpp does: the file has no such property."""
    named = byte_level_gguf(tmp_path / "a.gguf", "gpt-2", general__name="Phi-3 mini")
    plain = byte_level_gguf(tmp_path / "b.gguf", "gpt-2")
    line = [f"{BEGIN} \n the"]
    assert tokenizer_of(named).encode_lines(line) == tokenizer_of(plain).encode_lines(
        [f"{BEGIN}the"]
    )
