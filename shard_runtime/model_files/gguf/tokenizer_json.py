# SPDX-License-Identifier: Apache-2.0
"""Converts the tokenizer in a GGUF's metadata to `tokenizer.json`, in a subprocess.

A subprocess, because the conversion needs several hundred megabytes that a serving process would
never give back. `python -m shard_tools prepare` converts once, so that serving need not.

The reference is llama.cpp, for which GGUF files are made. Where its regular expressions approximate
those of the model's own tokenizer.json, the latter apply (pre_tokenizers.py).
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, normalizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing

from shard_runtime.errors import ModelFileInvalid, TokenizerInvalid, TokenizerUnsupported
from shard_runtime.model_files.gguf.end_tokens import SENTENCEPIECE_IDS
from shard_runtime.model_files.gguf.sentencepiece_merges import derive_merges
from shard_runtime.model_files.gguf.tokenizer_keys import (
    check_tokenizer_keys,
    pre_tokenization,
)
from shard_runtime.model_files.gguf.vocabulary import GgufVocabulary, read_vocabulary

_TIMEOUT_SECONDS = 300
_REFUSED = 3
_PLAIN = re.compile(r"[^\s:$][^\s:]*")
"""Tokens that a template can name by their text. In others, space, : or $ would be its syntax."""
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # sentencepiece's spelling of a space


@lru_cache(maxsize=1)
def convert_tokenizer(gguf: Path) -> str:
    """The content of `tokenizer.json`. Raises `TokenizerInvalid`."""
    command = [sys.executable, "-m", "shard_runtime.model_files.gguf.tokenizer_json", str(gguf)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False)
    except (subprocess.SubprocessError, OSError):
        raise TokenizerInvalid(str(gguf), "its conversion did not end") from None
    if done.returncode == _REFUSED:
        raise TokenizerInvalid(str(gguf), done.stderr.decode().strip())
    if done.returncode:
        raise TokenizerInvalid(str(gguf), "its tokenizer cannot be converted")
    return done.stdout.decode()


def build_tokenizer(gguf: Path) -> Tokenizer:
    """The tokenizer that a GGUF describes. Raises `TokenizerInvalid`, `ModelFileInvalid`."""
    vocabulary = read_vocabulary(gguf)
    check_tokenizer_keys(vocabulary.metadata, vocabulary.file)
    if vocabulary.metadata["tokenizer.ggml.model"] == "llama":
        tokenizer = _sentencepiece(vocabulary)
        tokenizer.post_processor = _post_processor(vocabulary, True, SENTENCEPIECE_IDS)
    else:
        tokenizer = _byte_level(vocabulary)
        adds_bos = pre_tokenization(vocabulary.metadata, vocabulary.file).adds_bos
        tokenizer.post_processor = _post_processor(vocabulary, adds_bos, {})
    # One call for each kind: the package marks all tokens of `add_special_tokens` as special.
    tokenizer.add_special_tokens([each for each in vocabulary.added_tokens if each.special])
    tokenizer.add_tokens([each for each in vocabulary.added_tokens if not each.special])
    return tokenizer


def _byte_level(vocabulary: GgufVocabulary) -> Tokenizer:
    rules = pre_tokenization(vocabulary.metadata, vocabulary.file)
    if vocabulary.merges is None:
        raise TokenizerInvalid(vocabulary.file, "tokenizer.ggml.merges is absent")
    merges = [_merge(each, vocabulary.file) for each in vocabulary.merges]
    tokenizer = _tokenizer(
        vocabulary,
        merges,
        continuing_subword_prefix="",
        end_of_word_suffix="",
        ignore_merges=rules.ignores_merges,
    )
    tokenizer.pre_tokenizer = rules.build()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _merge(text: str, file: str) -> tuple[str, str]:
    space = text.find(" ", 1)  # a token may itself begin with a space
    if space < 0:
        raise TokenizerInvalid(file, f"tokenizer.ggml.merges has {text!r:.80}, which is no pair")
    return text[:space], text[space + 1 :]


def _sentencepiece(vocabulary: GgufVocabulary) -> Tokenizer:
    if vocabulary.scores is None:
        raise TokenizerInvalid(vocabulary.file, "tokenizer.ggml.scores is absent")
    if not vocabulary.has_all_bytes:
        raise TokenizerUnsupported(vocabulary.file, "its vocabulary lacks tokens for single bytes")
    merges = derive_merges(vocabulary.ids, vocabulary.scores)
    tokenizer = _tokenizer(vocabulary, merges, fuse_unk=True, byte_fallback=True)
    adds_space = vocabulary.flag("add_space_prefix", True)
    # After every control token too: llama.cpp treats what follows as the beginning of a text.
    prefix = [normalizers.Prepend(prepend=_SPACE)] if adds_space else []
    spaces = normalizers.Replace(pattern=" ", content=_SPACE)
    tokenizer.normalizer = normalizers.Sequence([*prefix, spaces])
    strip = [decoders.Strip(content=" ", left=1)] if adds_space else []
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def _tokenizer(
    vocabulary: GgufVocabulary, merges: list[tuple[str, str]], **options: Any
) -> Tokenizer:
    try:
        return Tokenizer(BPE(vocab=vocabulary.ids, merges=merges, **options))
    except Exception:  # noqa: BLE001 - the package raises bare Exception
        raise TokenizerInvalid(
            vocabulary.file, "tokenizer.ggml.merges makes tokens that the vocabulary lacks"
        ) from None


def _post_processor(
    vocabulary: GgufVocabulary, adds_bos: bool, default_ids: Mapping[str, int]
) -> TemplateProcessing:
    """Surrounds plain text as `add_bos_token` and `add_eos_token` say."""
    texts = {}
    for role, default in (("bos", adds_bos), ("eos", False)):
        text = vocabulary.token(role, default_ids.get(role))
        if vocabulary.flag(f"add_{role}_token", default) and text is not None:
            texts[role] = text
    are_plain = all(_PLAIN.fullmatch(text) for text in texts.values())
    names = {role: text if are_plain else role for role, text in texts.items()}
    before, after = names.get("bos"), names.get("eos")
    whole = [
        " ".join(
            part
            for part in (
                f"{before}:{n}" if before else "",
                f"${name}:{n}",
                f"{after}:{n}" if after else "",
            )
            if part
        )
        for n, name in enumerate("AB")
    ]
    return TemplateProcessing(
        single=whole[0],
        pair=" ".join(whole),
        special_tokens=[
            {"id": names[role], "ids": [vocabulary.ids[text]], "tokens": [text]}
            for role, text in texts.items()
        ],
    )


def main(gguf: Path) -> int:
    """Writes the JSON to standard output, or what is wrong to standard error."""
    try:
        sys.stdout.write(str(build_tokenizer(gguf).to_str()))
    except (TokenizerInvalid, ModelFileInvalid) as error:
        sys.stderr.write(error.rule)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
