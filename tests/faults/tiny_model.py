# SPDX-License-Identifier: Apache-2.0
"""A tiny model whose every word is a canary: a prompt or answer in the clear is found anywhere by
one search.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from tests.oracle.tiny_llama import LAYERS, VOCABULARY, save_tiny_llama

CANARY = "heliotropeqzjx"
TEMPLATE = "{% for message in messages %}{{ message.content }} {% endfor %}"

__all__ = ["CANARY", "LAYERS", "VOCABULARY", "save_canary_model", "word"]


def word(number: int) -> str:
    """The vocabulary's word of that number."""
    return f"{CANARY}{number % VOCABULARY}"


def save_canary_model(folder: Path) -> None:
    """The same files every time."""
    save_tiny_llama(folder)
    words = {word(number): number for number in range(VOCABULARY)}
    tokenizer = Tokenizer(WordLevel(words, unk_token=word(0)))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
