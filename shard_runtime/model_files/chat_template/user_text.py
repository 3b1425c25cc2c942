# SPDX-License-Identifier: Apache-2.0
"""Keeps what users write from becoming special tokens.

A template prints special tokens as text, and the tokenizer finds them in the rendered prompt,
wherever they come from. So the texts of special tokens in a message are replaced by placeholders
before rendering, and encoded afterwards in pieces that are none. A prompt without such a text is
encoded as ever.
"""

import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from shard_runtime.errors import ChatTemplateInvalid

MAKES_SPECIAL_TOKENS = "these messages would make special tokens"


@dataclass(frozen=True, slots=True)
class MaskedMessages:
    """Messages with placeholders for the texts of special tokens."""

    messages: list[dict[str, str]]
    texts: list[str]
    """By the placeholder's number."""
    mark: str
    """Not in any message: random."""

    def split(self, rendered: str) -> list[tuple[str, bool]]:
        """The pieces of the prompt, each with whether it replaces a placeholder."""
        pieces = re.split(rf"{self.mark}(\d+){self.mark}", rendered)
        return [
            (self.texts[int(piece)], True) if index % 2 else (piece, False)
            for index, piece in enumerate(pieces)
        ]


class UserText:
    """The special tokens of one tokenizer, and how to encode text that must not contain them."""

    def __init__(self, tokenizer: Tokenizer, printed: Collection[int]) -> None:
        """printed: the ids that the template prints for any conversation. Some models do not mark
        the tokens of their turns as special.
        """
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        special = {
            id_: token for id_, token in added.items() if token.special or id_ in set(printed)
        }
        self._ids = frozenset(special)
        texts = sorted((token.content for token in special.values()), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, texts))) if texts else None
        # Such a tokenizer can find a special token in text that is not spelled like one.
        self._is_normalized = tokenizer.normalizer is not None and any(
            token.normalized for token in special.values()
        )

    def mask(self, messages: Sequence[Mapping[str, str]]) -> MaskedMessages:
        """The messages, with a placeholder for each text of a special token."""
        texts: list[str] = []
        mark = f"x{secrets.token_hex(12)}x"

        def placeholder(found: re.Match[str]) -> str:
            texts.append(found.group())
            return f"{mark}{len(texts) - 1}{mark}"

        masked = [dict(message) for message in messages]
        for message in masked:
            if self._pattern is not None:
                message["content"] = self._pattern.sub(placeholder, message["content"])
        return MaskedMessages(masked, texts, mark)

    def check(self, masked: MaskedMessages) -> None:
        """Raises `ChatTemplateInvalid` if a message makes special tokens all the same."""
        if not self._is_normalized:
            return
        for message in masked.messages:
            for piece, is_text in masked.split(message["content"]):
                if not is_text and self._ids.intersection(self._encode(piece)):
                    raise ChatTemplateInvalid(MAKES_SPECIAL_TOKENS)

    def encode(self, masked: MaskedMessages, rendered: str) -> tuple[int, ...]:
        """The ids of the prompt. Raises `ChatTemplateInvalid`."""
        ids: list[int] = []
        for piece, is_text in masked.split(rendered):
            ids += self._encode_plainly(piece) if is_text else self._encode(piece)
        return tuple(ids)

    def _encode_plainly(self, text: str) -> list[int]:
        """A special token's text, in two pieces or one for each character, without the token."""
        for pieces in ((text[:1], text[1:]), tuple(text)):
            ids = [id_ for piece in pieces for id_ in self._encode(piece)]
            if not self._ids.intersection(ids):
                return ids
        raise ChatTemplateInvalid(MAKES_SPECIAL_TOKENS)

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids) if text else []
