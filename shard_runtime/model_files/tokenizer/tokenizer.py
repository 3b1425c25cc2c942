# SPDX-License-Identifier: Apache-2.0
"""Converts text to token ids and back, and messages by the model's own chat template."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from tokenizers import Tokenizer

from shard_runtime.errors import ChatTemplateExceeded, ChatTemplateInvalid, TokenizerMissing
from shard_runtime.model_files.chat_template.template_process import TemplateProcess
from shard_runtime.model_files.chat_template.user_text import UserText
from shard_runtime.model_files.tokenizer.definition import build_tokenizer
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles
from teetee.protocol.answer import MAX_TOKEN_CHARACTER_BYTES

_CONVERSATIONS = (("user",), ("system", "user"), ("user", "assistant", "user"))


class ModelTokenizer:
    """A model's tokenizer. For a model without one, only its end tokens are known."""

    def __init__(self, files: TokenizerFiles, model: str) -> None:
        self._files = files
        self._model = model
        self._tokenizer: Tokenizer | None = None
        if files.json is not None:
            self._tokenizer = build_tokenizer(files.json, f"{model}'s tokenizer.json")
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
        self._process = TemplateProcess()
        self._user_text: UserText | None = None

    @property
    def eos_token_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""
        return frozenset(self._files.eos_token_ids)

    @property
    def has_chat_template(self) -> bool:
        """Whether `encode_messages` can be called."""
        return self._files.chat_template is not None

    @property
    def reads_text(self) -> bool:
        """Whether the model has a tokenizer; otherwise prompts are token ids."""
        return self._tokenizer is not None

    @cached_property
    def max_token_bytes(self) -> int:
        """An upper bound on what one token adds to an answer's JSON; 0 without a tokenizer."""
        if self._tokenizer is None:
            return 0
        longest = max(map(len, self._tokenizer.get_vocab(with_added_tokens=True)), default=0)
        # One character more: decoders may put a space between tokens.
        return (longest + 1) * MAX_TOKEN_CHARACTER_BYTES

    def encode_text(self, text: str) -> tuple[int, ...]:
        """Encodes text with the model's special tokens around it. Raises `TokenizerMissing`."""
        return tuple(self._require_tokenizer().encode(text, add_special_tokens=True).ids)

    def encode_lines(self, lines: Sequence[str]) -> list[tuple[int, ...]]:
        """Encodes each line as part of a prompt: without special tokens around it.

        Raises `TokenizerMissing`.
        """
        tokenizer = self._require_tokenizer()
        return [tuple(tokenizer.encode(each, add_special_tokens=False).ids) for each in lines]

    def encode_messages(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """Encodes messages by the chat template, up to the start of the model's turn. What a
        message says never becomes a special token.

        Raises `ChatTemplateInvalid`, `TokenizerMissing`.
        """
        user_text = self._user_text or self._read_special_tokens()
        masked = user_text.mask(messages)
        rendered = self.render_messages(masked.messages)
        user_text.check(masked)
        return user_text.encode(masked, rendered)

    def render_messages(self, messages: Sequence[Mapping[str, str]]) -> str:
        """What the chat template makes of messages. Raises `ChatTemplateInvalid`."""
        if self._files.chat_template is None:
            raise ChatTemplateInvalid("the model has none")
        return self._process.render(self._files.chat_template, messages, self._files.named_tokens)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of the tokens, without special tokens; "" for a model without a tokenizer."""
        if self._tokenizer is None:
            return ""
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=True))

    def _read_special_tokens(self) -> UserText:
        """Those that are marked so, and those that the template prints in a plain conversation."""
        tokenizer = self._require_tokenizer()
        printed: set[int] = set()
        for roles in _CONVERSATIONS:
            try:
                rendered = self.render_messages([{"role": each, "content": "a"} for each in roles])
            except ChatTemplateExceeded:
                raise  # a machine that stands still must not hide what the template prints
            except ChatTemplateInvalid:
                continue  # not every template takes a system message, or more than one turn
            printed.update(tokenizer.encode(rendered, add_special_tokens=False).ids)
        self._user_text = UserText(tokenizer, printed)
        return self._user_text

    def _require_tokenizer(self) -> Tokenizer:
        if self._tokenizer is None:
            raise TokenizerMissing(self._model)
        return self._tokenizer
