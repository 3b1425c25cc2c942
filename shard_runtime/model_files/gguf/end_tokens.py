# SPDX-License-Identifier: Apache-2.0
"""Which tokens of a GGUF end an answer, and which texts are control tokens, by llama.cpp's rule.

llama.cpp (src/llama-vocab.cpp, `special_eog_ids`) recognizes tokens by their text, because files
often name one end token where the model has several. Where it picks one of several candidates, all
of them count here: its choice depends on the order of a hash table.
"""

import re
from collections.abc import Mapping
from typing import Any

from shard_runtime.errors import TokenizerInvalid

_KEY = "tokenizer.ggml.{}_token_id"
_ANY_KEY = re.compile(r"tokenizer\.ggml\.\w+_token_id")
_NAMED_ROLES = ("eos", "eot", "eom")
PRINTED_ROLES = {
    "bos": "bos_token",
    "eos": "eos_token",
    "unknown": "unk_token",
    "padding": "pad_token",
}
"""Roles that chat templates print, and the names by which they do."""

SENTENCEPIECE_IDS = {"bos": 1, "eos": 2, "unknown": 0}
"""llama.cpp's defaults for the ids that a sentencepiece vocabulary's metadata leaves out."""

END_TEXTS = frozenset(
    {
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
    }
)

# role → texts; a token of these roles ends an answer: what follows is another file or padding.
FILL_TEXTS = {
    "fim_pad": ("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"),
    "fim_rep": ("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"),
    "fim_sep": ("<|file_sep|>",),
}

NAMED_TEXTS = END_TEXTS | {text for texts in FILL_TEXTS.values() for text in texts}
"""All texts that the rule looks for."""


def role_ids(metadata: Mapping[str, Any], file: str) -> dict[str, int]:
    """The ids that the metadata gives the roles that templates can print: bos, eos, …

    Raises `TokenizerInvalid` if any role has no number as id.
    """
    for key, token in metadata.items():
        if _ANY_KEY.fullmatch(key) and (isinstance(token, bool) or not isinstance(token, int)):
            raise TokenizerInvalid(file, f"{key} is {token!r:.80}, not a token id")
    is_sentencepiece = metadata.get("tokenizer.ggml.model") == "llama"
    ids = dict(SENTENCEPIECE_IDS) if is_sentencepiece else {}
    for role in PRINTED_ROLES:
        if _KEY.format(role) in metadata:
            ids[role] = metadata[_KEY.format(role)]
    return ids


def end_texts(vocabulary: Mapping[str, int], metadata: Mapping[str, Any]) -> frozenset[str]:
    """The texts in the vocabulary that end an answer because of what they say."""
    found = {text for text in END_TEXTS if text in vocabulary}
    for role, texts in FILL_TEXTS.items():
        if _KEY.format(role) not in metadata:
            found |= {text for text in texts if text in vocabulary}
    return frozenset(found - _exceptions(found))


def find_end_tokens(vocabulary: Mapping[str, int], metadata: Mapping[str, Any]) -> frozenset[int]:
    """The ids of all tokens that end an answer.

    vocabulary: text → id, at least for the `NAMED_TEXTS` that are tokens.
    """
    named = {metadata.get(_KEY.format(role)) for role in (*_NAMED_ROLES, *FILL_TEXTS)}
    if metadata.get("tokenizer.ggml.model") == "llama" and _KEY.format("eos") not in metadata:
        named.add(SENTENCEPIECE_IDS["eos"])
    found = {token for token in named if isinstance(token, int)}
    found |= {vocabulary[text] for text in end_texts(vocabulary, metadata)}
    not_ends = _exceptions({text for text in END_TEXTS if text in vocabulary})
    return frozenset(found - {vocabulary[text] for text in not_ends})


def _exceptions(found: set[str]) -> set[str]:
    """Texts that do not end an answer in the presence of others."""
    ends_call = bool(found & {"<|call|>", "<|calls|>"})
    exceptions = set()
    if ends_call and found & {"<|return|>", "<|flush|>"}:
        exceptions.add("<|end|>")  # ends a part of an answer only
    if "<|tool_response>" in found:
        exceptions.add("</s>")  # an ordinary token of that vocabulary
    return exceptions & found
