# SPDX-License-Identifier: Apache-2.0
"""The content of tokenizer.json, as far as it takes part in encoding prompts.

The saved settings for truncation and padding do not: they describe the batches of a training.
Everything else is for the tokenizers package, which refuses what it does not know.
"""

import json
from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, Tokenizer

from shard_runtime.errors import TokenizerInvalid, TokenizerUnsupported
from shard_runtime.model_files.tokenizer.special_tokens import SpecialTokens
from teetee.protocol.json import shallow as shallow_json

_FIELDS = {
    "version",
    "truncation",
    "padding",
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
    "model",
}


def check_definition(value: Mapping[str, Any], file: str) -> None:
    """Raises `TokenizerInvalid`, and `TokenizerUnsupported` naming what is not understood."""
    unknown = sorted(set(value) - _FIELDS)
    if unknown:
        raise TokenizerUnsupported(file, f"its field {unknown[0]} is unknown")
    model = value.get("model")
    if not isinstance(model, dict):
        raise TokenizerInvalid(file, "it has no model")
    if model.get("dropout"):
        raise TokenizerUnsupported(
            file, f"its dropout is {model['dropout']!r:.80}, which makes token ids random"
        )


def without_batch_settings(value: Mapping[str, Any]) -> dict[str, Any]:
    """The definition without truncation and padding."""
    off = {field: None for field in ("truncation", "padding") if field in value}
    return {**value, **off}


def canonical(value: Mapping[str, Any]) -> str:
    """JSON with sorted keys and without spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def build_tokenizer(text: str, file: str) -> Tokenizer:
    """Raises `TokenizerInvalid`."""
    try:
        return Tokenizer.from_str(text)
    except BaseException as error:  # the package raises bare Exception, or panics
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise TokenizerInvalid(file, "the tokenizers package cannot read it") from None


def add_tokens(
    value: dict[str, Any], tokenizer: Tokenizer, special: SpecialTokens, file: str
) -> dict[str, Any]:
    """The definition with the tokens that other files add. Adds them to the tokenizer too.

    Raises `TokenizerInvalid` if a token does not get the id that a file lists for it.
    """
    before = tokenizer.get_added_tokens_decoder()
    missing = special.missing(before)
    tokenizer.add_tokens(missing)
    for token, listed in special.listed.items():
        found = tokenizer.token_to_id(listed.content)
        if found != token:
            raise TokenizerInvalid(
                file, f"the token {listed.content!r:.80} is listed with id {token}, but has {found}"
            )
    if not missing:
        return value
    tokens = shallow_json.load(tokenizer.to_str().encode())["added_tokens"]
    return value | {"added_tokens": [_still_special(token, before) for token in tokens]}


def _still_special(token: dict[str, Any], before: Mapping[int, AddedToken]) -> dict[str, Any]:
    """A token that was special stays special, though another file says otherwise.

    So it is in transformers: adding a token again does not take it from the special ones.
    """
    earlier = before.get(token["id"])
    return token | {"special": True} if earlier is not None and earlier.special else token


def added_ids(value: Mapping[str, Any], file: str) -> dict[str, int]:
    """The id of each added token. Raises `TokenizerInvalid`."""
    try:
        return {str(token["content"]): int(token["id"]) for token in value["added_tokens"]}
    except (TypeError, KeyError, ValueError):
        raise TokenizerInvalid(file, "the added_tokens are malformed") from None
