# SPDX-License-Identifier: Apache-2.0
"""Every token that ends an answer stops it.

For GGUF the expected values follow `special_eog_ids` of llama.cpp's src/llama-vocab.cpp, for
folders the generation config of transformers.

given a GGUF whose eos is one token, and whose vocabulary has others that end an answer
    all of them should end it, whether they are named by an id or recognized by their text
given a folder
    the end tokens of transformers' generation config should end an answer, and the tokenizer's own
    a field that is no token id should be refused by name
"""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import GenerationConfig
from transformers.models.auto.configuration_auto import AutoConfig

from shard_runtime import load_tokenizer, open_model
from shard_runtime.errors import ModelFileInvalid, TokenizerUnsupported
from shard_runtime.model_files.gguf.end_tokens import find_end_tokens
from tests.shard_runtime.byte_tokenizer import END, byte_tokenizer, write_tokenizer
from tests.shard_runtime.tiny_models import save

EOS = "tokenizer.ggml.eos_token_id"


def ends(*texts: str, **metadata: int) -> set[str]:
    """The texts of the end tokens in a vocabulary of these texts."""
    keys = {f"tokenizer.ggml.{name}_token_id": token for name, token in metadata.items()}
    found = find_end_tokens(
        {text: token for token, text in enumerate(texts)}, {"tokenizer.ggml.model": "gpt2"} | keys
    )
    return {texts[token] for token in found}


@pytest.mark.parametrize(
    "text",
    [
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|return|>",
        "<|call|>",
        "<|flush|>",
        "<|calls|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "</s>",
        "<|eom_id|>",
        "<EOT>",
        "_<EOT>",
        "[EOT]",
        "[EOS]",
        "<|end_of_text|>",
        "<end_of_utterance>",
        "<eos>",
        "<turn|>",
        "<|tool_response>",
        "<｜end▁of▁sentence｜>",
        "[e~[",
        "<|fim_pad|>",
        "<fim_pad>",
        "<|fim_repo|>",
        "<|repo_name|>",
        "<reponame>",
        "<|file_sep|>",
    ],
)
def test_find_end_tokens__text_that_llama_cpp_knows__ends_an_answer(text: str) -> None:
    assert ends("a", text, "stop", eos=2) == {text, "stop"}


def test_find_end_tokens__smollm2__has_those_of_llama_cpp() -> None:
    vocabulary = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>"]
    assert ends(*vocabulary, eos=2, bos=1) == {"<|endoftext|>", "<|im_end|>", "<reponame>"}


def test_find_end_tokens__ids_of_other_roles__end_an_answer() -> None:
    found = ends("a", "b", "c", "d", "e", eos=0, eot=1, eom=2, fim_pad=3, bos=4)
    assert found == {"a", "b", "c", "d"}


def test_find_end_tokens__role_that_is_named__is_not_looked_for_by_text() -> None:
    assert ends("a", "<|fim_pad|>", "pad", eos=0, fim_pad=2) == {"a", "pad"}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("<|end|>", "<|return|>", "<|call|>"), {"<|return|>", "<|call|>"}),
        (("<|end|>", "<|flush|>", "<|calls|>"), {"<|flush|>", "<|calls|>"}),
        (("<|end|>", "<|return|>"), {"<|end|>", "<|return|>"}),
        (("</s>", "<|tool_response>"), {"<|tool_response>"}),
        (("a", "<|im_start|>", "<s>", "<pad>", "<|fim_middle|>"), set()),
    ],
    ids=["harmony", "solar", "no call", "gemma 4", "none"],
)
def test_find_end_tokens__exceptions__are_those_of_llama_cpp(
    texts: tuple[str, ...], expected: set[str]
) -> None:
    assert ends(*texts) == expected


def test_find_end_tokens__sentencepiece_without_eos__ends_at_2() -> None:
    metadata = {"tokenizer.ggml.model": "llama"}
    assert find_end_tokens({}, metadata) == {2}
    assert find_end_tokens({}, metadata | {EOS: 7}) == {7}


# -- folders -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save("llama", tmp_path)
    write_tokenizer(tmp_path, eos_token=END)
    return tmp_path


@pytest.mark.parametrize(
    ("generation", "model"),
    [
        ({"eos_token_id": [7, 5]}, 9),
        ({"eos_token_id": 7}, 9),
        ({"eos_token_id": 0}, 9),
        (None, 9),
        (None, [3, 4]),
        (None, None),
    ],
    ids=["several", "one", "token 0", "config only", "several in config", "nowhere"],
)
def test_eos_token_ids__folder__are_those_of_transformers_and_the_tokenizer_s(
    folder: Path, generation: dict[str, Any] | None, model: Any
) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": model}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    if generation is None:
        theirs = GenerationConfig.from_model_config(AutoConfig.from_pretrained(folder))
    else:
        (folder / "generation_config.json").write_text(json.dumps(generation))
        theirs = GenerationConfig.from_pretrained(folder)
    stops = theirs.eos_token_id if theirs.eos_token_id is not None else []
    expected = {*(stops if isinstance(stops, list) else [stops])}
    end = byte_tokenizer().token_to_id(END)
    assert load_tokenizer(open_model(folder)).eos_token_ids == expected | {end}


@pytest.mark.parametrize("value", ["7", 1.5, True, [1, None], [[1]], {"id": 1}, -2, 1 << 40])
def test_eos_token_ids__no_token_id__is_refused_by_name(folder: Path, value: Any) -> None:
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": value}))
    with pytest.raises(ModelFileInvalid, match="its eos_token_id is"):
        load_tokenizer(open_model(folder))


def test_load_tokenizer__stop_strings__are_refused_by_name(folder: Path) -> None:
    (folder / "generation_config.json").write_text(json.dumps({"stop_strings": ["###"]}))
    with pytest.raises(TokenizerUnsupported, match="its stop_strings are") as raised:
        load_tokenizer(open_model(folder))
    assert "tokenizer.json" not in str(raised.value)
