# SPDX-License-Identifier: Apache-2.0
"""A model's tokenizer as its files describe it: tokenizer JSON, chat template, special tokens.

The digest of the embedding covers these, because another tokenizer or template would make it
another model for its users.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from shard_runtime.model_files.chat_template.renderer import printed_names

_NO_TOKEN = 0xFFFFFFFF
_IMPLIED = ("bos_token", "eos_token")


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """Everything needed to turn messages into token ids and to recognise the end of an answer."""

    json: str | None = field(repr=False)
    """Canonical: sorted keys, no spaces. None for a model whose prompts are token ids."""
    chat_template: str | None = field(repr=False)
    bos_token_id: int | None
    eos_token_ids: tuple[int, ...]
    """The tokens that end an answer, ascending."""
    named_tokens: Mapping[str, str] = field(default_factory=dict)
    """name → text of the special tokens that the chat template can print: bos_token, …"""
    token_ids: Mapping[str, int] = field(default_factory=dict, repr=False)
    """text → id of the added tokens in `json`."""

    def digest(self) -> bytes:
        """`H(tokenizer)` of docs/protocol.md section 2, 32 bytes. Missing texts have length 0."""
        hasher = sha256(b"teetee/tokenizer/v1")
        for text in (self.json or "", self.chat_template or ""):
            encoded = text.encode()
            hasher.update(len(encoded).to_bytes(4) + encoded)
        bos = _NO_TOKEN if self.bos_token_id is None else self.bos_token_id
        hasher.update(struct.pack(">II", bos, len(self.eos_token_ids)))
        hasher.update(struct.pack(f">{len(self.eos_token_ids)}I", *self.eos_token_ids))
        printed = self._printed_otherwise()
        if printed is not None:
            encoded = json.dumps(printed, sort_keys=True, separators=(",", ":")).encode()
            hasher.update(len(encoded).to_bytes(4) + encoded)
        return hasher.digest()

    def _printed_otherwise(self) -> dict[str, str] | None:
        """The named tokens that the template prints; None if the ids above say the same.

        The digest omits what the ids say, as it did before templates could print other tokens.
        """
        names = printed_names(self.chat_template or "", {*self.named_tokens, *_IMPLIED})
        printed = {name: self.named_tokens[name] for name in names if name in self.named_tokens}
        implied = {
            "bos_token": self.bos_token_id,
            "eos_token": min(self.eos_token_ids, default=None),
        }
        texts = {token: text for text, token in self.token_ids.items()}
        expected = {
            name: texts.get(token, "")
            for name, token in implied.items()
            if name in names and token is not None
        }
        return None if printed == expected else printed
