# SPDX-License-Identifier: Apache-2.0
"""A tokenizer small enough to read: every byte a token, a few words, two special tokens."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

BEGIN, END = "<|begin|>", "<|end|>"
TEMPLATE = (
    "{% for message in messages %}{{ bos_token }}{{ message['role'] }}\n"
    "{{ message['content'] }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ bos_token }}assistant\n{% endif %}"
)


def byte_tokenizer() -> Tokenizer:
    """Ids 0 to 255 are bytes in the order of the byte-level alphabet; then come the others."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {symbol: number for number, symbol in enumerate(alphabet)}
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the")]
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens([AddedToken(BEGIN, special=True), AddedToken(END, special=True)])
    return tokenizer


def write_tokenizer(folder: Path, template: str | None = TEMPLATE, **changes: Any) -> None:
    """tokenizer.json and tokenizer_config.json."""
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    configuration = {
        "bos_token": BEGIN,
        "eos_token": {"content": END, "special": True},
        "chat_template": template,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration | changes))
