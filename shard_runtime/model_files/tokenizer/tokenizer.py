# SPDX-License-Identifier: Apache-2.0
"""Text to token ids and back, and messages through the model's own chat template."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from shard_runtime.errors import ChatTemplateInvalid, TokenizerInvalid, TokenizerMissing
from shard_runtime.model_files.source import ModelSource
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles, read_tokenizer_files


class ModelTokenizer:
    """A model's tokenizer; of a model without one, only the tokens that end an answer."""

    def __init__(self, files: TokenizerFiles, model: str) -> None:
        self._files = files
        self._model = model
        self._tokenizer = _build(files.json, model) if files.json is not None else None

    @property
    def eos_token_ids(self) -> frozenset[int]:
        return frozenset(self._files.eos_token_ids)

    @property
    def has_chat_template(self) -> bool:
        return self._files.chat_template is not None

    @property
    def reads_text(self) -> bool:
        return self._tokenizer is not None

    def encode_text(self, text: str) -> tuple[int, ...]:
        """Plain text with the tokens that the model puts around it. Raises `TokenizerMissing`."""
        return tuple(self._need().encode(text, add_special_tokens=True).ids)

    def encode_messages(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """Messages, and the opening of the model's turn. Raises `ChatTemplateInvalid`,
        `TokenizerMissing`.
        """
        tokenizer = self._need()
        return tuple(tokenizer.encode(self._render(messages), add_special_tokens=False).ids)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text without special tokens; "" for a model without a tokenizer."""
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
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        try:
            template = environment.from_string(self._files.chat_template)
            return template.render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=True,
                tools=None,  # templates ask whether it is none, not whether it is there
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
        return "" if token_id is None else self._need().id_to_token(token_id) or ""

    def _need(self) -> Tokenizer:
        if self._tokenizer is None:
            raise TokenizerMissing(self._model)
        return self._tokenizer


def load_tokenizer(source: ModelSource) -> ModelTokenizer:
    """Raises `TokenizerInvalid`, `ModelFileInvalid`, and `TokenizerMissing` for a GGUF that cannot
    be converted here.
    """
    return ModelTokenizer(read_tokenizer_files(source), source.name)


def _build(text: str, model: str) -> Tokenizer:
    try:
        return Tokenizer.from_str(text)
    except Exception:  # noqa: BLE001 - the package raises bare Exception
        raise TokenizerInvalid(
            f"{model}'s tokenizer.json", "the tokenizers package cannot read it"
        ) from None


def _to_json(value: Any, **options: Any) -> str:
    """Unlike Jinja's own, leaves <, > and & as they are: templates were written for that."""
    return json.dumps(value, **({"ensure_ascii": False} | options))


def _refuse(_message: str) -> NoReturn:
    # Templates say here what they miss; some quote the message.
    raise ChatTemplateInvalid("it refuses these messages (their roles or their order)")


def _now(form: str) -> str:
    return datetime.now(tz=UTC).strftime(form)
