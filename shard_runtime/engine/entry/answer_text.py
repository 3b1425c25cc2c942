# SPDX-License-Identifier: Apache-2.0
"""An answer's text, token by token: whole characters only, and nothing of a stop string."""

from collections.abc import Sequence

from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from teetee.protocol.answer import text_bytes

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What decoders emit for bytes that do not make a whole character yet."""


class AnswerText:
    """Returns the text in pieces; joined, they are the whole."""

    def __init__(self, tokenizer: ModelTokenizer, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stops)
        self._tokens: list[int] = []
        # Decoders treat the beginning of a text specially, so new tokens are decoded after some old
        # ones.
        self._context = 0
        self._decoded = 0
        self._withheld = ""
        self._pieces: list[str] = []
        self.is_stopped = False

    @property
    def text(self) -> str:
        """All pieces so far."""
        return "".join(self._pieces)

    @property
    def unpublished_bytes(self) -> int:
        """An upper bound on what the tokens so far can still add to an answer's JSON."""
        undecoded = len(self._tokens) - self._decoded
        return text_bytes(self._withheld) + undecoded * self._tokenizer.max_token_bytes

    def push(self, token: int) -> str:
        """The piece that this token makes certain, often "". Sets `is_stopped` at a stop string."""
        self._tokens.append(token)
        return self._emit(self._decode(final=False), final=False)

    def finish(self) -> str:
        """The withheld rest, once the last token is in."""
        return "" if self.is_stopped else self._emit(self._decode(final=True), final=True)

    def _decode(self, *, final: bool) -> str:
        before = self._tokenizer.decode(self._tokens[self._context : self._decoded])
        after = self._tokenizer.decode(self._tokens[self._context :])
        if len(after) <= len(before) or (after.endswith(_INCOMPLETE) and not final):
            return ""
        self._context, self._decoded = self._decoded, len(self._tokens)
        return after[len(before) :]

    def _emit(self, text: str, *, final: bool) -> str:
        text = self._withheld + text
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.is_stopped = True
            text, self._withheld = text[: min(found)], ""
        elif not final:
            kept = len(text) - self._may_begin_stop(text)
            text, self._withheld = text[:kept], text[kept:]
        if text:
            self._pieces.append(text)
        return text

    def _may_begin_stop(self, text: str) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        longest = max((len(stop) - 1 for stop in self._stops), default=0)
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0
