# SPDX-License-Identifier: Apache-2.0
"""Compares a tokenizer.json beside a GGUF with what the GGUF says about splitting text.

It catches a tokenizer.json that an earlier converter made from that GGUF with another split.
"""

from pathlib import Path

from tokenizers import Tokenizer

from shard_runtime.errors import TokenizerInvalid
from shard_runtime.model_files.gguf.pre_tokenizers import PRE_TOKENIZERS
from shard_runtime.model_files.tokenizer.sample_text import sample_lines


def check_agreement(tokenizer: Tokenizer, pre: str | None, gguf: Path) -> None:
    """Raises `TokenizerInvalid` if the two split a line of the sample text differently.

    pre: the GGUF's byte-level pre-tokenizer. Says nothing about one that is not known here.
    """
    if pre not in PRE_TOKENIZERS:
        return
    wanted, found = PRE_TOKENIZERS[pre].build(), tokenizer.pre_tokenizer
    for number, line in enumerate(sample_lines(), start=1):
        if found is None or found.pre_tokenize_str(line) != wanted.pre_tokenize_str(line):
            raise TokenizerInvalid(
                str(gguf.parent / "tokenizer.json"),
                f"it splits text otherwise than the pre-tokenizer {pre} of {gguf.name} (line "
                f"{number} of the sample text). Prepare the GGUF again",
            )
