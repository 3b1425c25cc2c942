# SPDX-License-Identifier: Apache-2.0
"""GGUF files with a tokenizer and next to no weights, and the vocabularies in them."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import gguf
import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from shard_runtime import ModelTokenizer, load_tokenizer, open_model
from shard_runtime.model_files.gguf.tokenizer_json import build_tokenizer
from shard_runtime.model_files.tokenizer import reading
from shard_runtime.model_files.tokenizer.sample_text import sample_lines
from tests.shard_runtime.gguf_writing import write_gguf

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"

BEGIN, END = "<|im_start|>", "<|im_end|>"
SPECIAL = (BEGIN, END, "<|endoftext|>")
FIRST_ROW = ("x  2024", "a:   1\n    2\n", "\t\t3", "| 1  |  22 |", "for i in range(10):\n    9")

Merge = tuple[str, str]


@lru_cache(maxsize=1)
def byte_level_vocabulary() -> tuple[tuple[str, ...], tuple[Merge, ...]]:
    """Tokens and merges of a byte-level tokenizer trained on the sample text.

    Split by nothing but lines, so that merges reach across every boundary which a pre-tokenizer
    must keep. Without tokens that read like `</s>`: llama.cpp makes control tokens of them.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = BpeTrainer(
        vocab_size=1500, show_progress=False, initial_alphabet=ByteLevel.alphabet(), min_frequency=2
    )
    tokenizer.train_from_iterator((line.replace("<", "") for line in sample_lines()), trainer)
    ids = tokenizer.get_vocab()
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return tuple(sorted(ids, key=lambda text: ids[text])), tuple((a, b) for a, b in merges)


def sentencepiece_vocabulary() -> tuple[list[str], list[float], list[int]]:
    """Tokens, scores and kinds of a sentencepiece vocabulary, as a converter writes them."""
    pieces: dict[str, None] = {}
    for line in sample_lines():
        for word in line.split():
            pieces |= dict.fromkeys(
                (SPACE + word)[:length] for length in range(2, min(7, len(word) + 2))
            )
            pieces |= dict.fromkeys(word[at : at + 2] for at in range(len(word) - 1))
        if len(pieces) > 900:
            break
    pieces |= dict.fromkeys(SPACE * count for count in (2, 3, 4, 8))
    single = sorted({character for piece in pieces for character in piece})
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256
    learned = [piece for piece in pieces if len(piece) > 1] + single
    scores = [0.0] * len(tokens) + [-float(rank) for rank in range(len(learned))]
    return tokens + learned, scores, kinds + [NORMAL] * len(learned)


@lru_cache(maxsize=4)
def tiny_model(vocabulary_size: int) -> PreTrainedModel:
    """A model that has a row for each token."""
    config = LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
    )
    return LlamaForCausalLM(config).eval()


def write_tokenizer_gguf(
    path: Path,
    *,
    tokens: list[str],
    model_name: str = "gpt2",
    kinds: list[int] | None = None,
    **metadata: Any,
) -> Path:
    """A GGUF with that tokenizer. metadata: further `tokenizer.ggml.` keys; None leaves one out."""
    plain = path.with_suffix(".plain")
    write_gguf(tiny_model(len(tokens)), plain)
    reader = gguf.GGUFReader(plain)
    writer = gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        writer.add_key_value(field.name, field.contents(), field.types[0])
    writer.add_tokenizer_model(model_name)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds or [NORMAL] * len(tokens))
    for name, value in metadata.items():
        _add(writer, name.replace("__", "."), value)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    plain.unlink()
    return path


def tokenizer_of(gguf: Path) -> ModelTokenizer:
    return load_tokenizer(open_model(gguf))


def convert_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting a process for each conversion would take minutes."""
    monkeypatch.setattr(
        reading, "convert_tokenizer", lambda gguf: str(build_tokenizer(gguf).to_str())
    )


def byte_level_gguf(path: Path, pre: str | None, **metadata: Any) -> Path:
    tokens, merges = byte_level_vocabulary()
    count = len(tokens)
    return write_tokenizer_gguf(
        path,
        tokens=[*tokens, *SPECIAL],
        kinds=[NORMAL] * count + [CONTROL] * len(SPECIAL),
        **{
            "pre": pre,
            "merges": [f"{left} {right}" for left, right in merges],
            "bos_token_id": count,
            "eos_token_id": count + 1,
        }
        | metadata,
    )


def _add(writer: gguf.GGUFWriter, name: str, value: Any) -> None:
    key = name if name.startswith(("tokenizer.", "general.")) else f"tokenizer.ggml.{name}"
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif value is not None:
        writer.add_array(key, value)
