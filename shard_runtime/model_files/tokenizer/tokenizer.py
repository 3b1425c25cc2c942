# SPDX-License-Identifier: Apache-2.0
"""Converts text to token ids and back, and messages by the model's own chat template."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from shard_runtime.errors import ChatTemplateInvalid, TokenizerInvalid, TokenizerMissing
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles


class ModelTokenizer:
    """A model's tokenizer. For a model without one, only its end tokens are known."""

    def __init__(self, files: TokenizerFiles, model: str) -> None:
        self._files = files
        self._model = model
        self._tokenizer = _build(files.json, model) if files.json is not None else None

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

    def encode_text(self, text: str) -> tuple[int, ...]:
        """Encodes text with the model's special tokens around it. Raises `TokenizerMissing`."""
        return tuple(self._require_tokenizer().encode(text, add_special_tokens=True).ids)

    def encode_messages(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """Encodes messages by the chat template, up to the start of the model's turn.

        Raises `ChatTemplateInvalid`, `TokenizerMissing`.
        """
        tokenizer = self._require_tokenizer()
        return tuple(tokenizer.encode(self._render(messages), add_special_tokens=False).ids)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of the tokens, without special tokens; "" for a model without a tokenizer."""
        if self._tokenizer is None:
            return ""
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=True))

    def _render(self, messages: Sequence[Mapping[str, str]]) -> str:
        if self._files.chat_template is None:
            raise ChatTemplateInvalid("the model has none")
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _reject_messages, "strftime_now": _now}
        try:
            template = environment.from_string(self._files.chat_template)
            return template.render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=True,
                tools=None,  # templates test for none, not for presence
                documents=None,
                bos_token=self._token(self._files.bos_token_id),
                eos_token=self._token(next(iter(self._files.eos_token_ids), None)),
            )
        except ChatTemplateInvalid:
            raise
        except (TemplateError, TypeError, ValueError, KeyError, ArithmeticError):
            # The cause could quote the messages.
            raise ChatTemplateInvalid("it fails on these messages") from None

    def _token(self, token_id: int | None) -> str:
        return "" if token_id is None else self._require_tokenizer().id_to_token(token_id) or ""

    def _require_tokenizer(self) -> Tokenizer:
        if self._tokenizer is None:
            raise TokenizerMissing(self._model)
        return self._tokenizer


def _build(text: str, model: str) -> Tokenizer:
    try:
        return Tokenizer.from_str(text)
    except Exception:  # noqa: BLE001 - the package raises bare Exception
        raise TokenizerInvalid(
            f"{model}'s tokenizer.json", "the tokenizers package cannot read it"
        ) from None


def _to_json(value: Any, **options: Any) -> str:
    """Unlike Jinja's own filter, keeps <, > and & as they are: templates rely on it."""
    return json.dumps(value, **({"ensure_ascii": False} | options))


def _reject_messages(_message: str) -> NoReturn:
    # The template's own message is dropped: some templates quote the user's text.
    raise ChatTemplateInvalid("it rejects these messages (their roles or their order)")


def _now(date_format: str) -> str:
    return datetime.now(tz=UTC).strftime(date_format)
