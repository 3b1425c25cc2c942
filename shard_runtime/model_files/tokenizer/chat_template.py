# SPDX-License-Identifier: Apache-2.0
"""Renders messages by a model's chat template, as transformers does.

Templates are code from a model's publisher and run in Jinja's sandbox. Errors never quote them,
because they could quote the messages.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from jinja2 import TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from shard_runtime.errors import ChatTemplateInvalid

_FAILURES = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    NameError,
    RecursionError,
    SyntaxError,  # `break` outside a loop
    TypeError,
    ValueError,
)


def render(
    template: str, messages: Sequence[Mapping[str, str]], named_tokens: Mapping[str, str]
) -> str:
    """The prompt, up to the start of the model's turn. Raises `ChatTemplateInvalid`.

    named_tokens: the special tokens that the template can print, by name.
    """
    try:
        rendered = (
            _environment()
            .from_string(template)
            .render(
                **named_tokens,
                messages=[dict(message) for message in messages],
                add_generation_prompt=True,
                tools=None,  # templates test for none, not for presence
                documents=None,
            )
        )
        rendered.encode()  # fails for half of a surrogate pair, which no tokenizer encodes
    except ChatTemplateInvalid:
        raise
    except _FAILURES:
        raise ChatTemplateInvalid("it fails on these messages") from None
    return rendered


def printed_names(template: str, names: Collection[str]) -> set[str]:
    """Those of `names` that the template uses without defining them."""
    try:
        return meta.find_undeclared_variables(_environment().parse(template)) & set(names)
    except (TemplateError, RecursionError):
        return {name for name in names if name in template}  # it fails when it is rendered


class _GenerationTag(Extension):
    """`{% generation %}` marks the model's turns for training; here it only makes a scope."""

    tags = {"generation"}  # noqa: RUF012 - declared so by Jinja

    def parse(self, parser: Parser) -> nodes.Node:
        """Parses the block up to its `{% endgeneration %}`."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller: Macro) -> str:
        return str(caller())


class _Namespace(Namespace):
    """Jinja's namespace without names that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, rest = args[0], args[1:]
        values = dict(*rest, **kwargs)
        for name in values:
            _reject_underscore(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _reject_underscore(name)
        super().__setitem__(name, value)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_GenerationTag, "jinja2.ext.loopcontrols"],
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": _reject_messages,
        "strftime_now": _now,
        "namespace": _Namespace,
    }
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Unlike Jinja's own filter, keeps <, > and & as they are: templates rely on it."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _reject_messages(_message: str) -> NoReturn:
    # The template's own message is dropped: some templates quote the user's text.
    raise ChatTemplateInvalid("it rejects these messages (their roles or their order)")


def _reject_underscore(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError("a name begins with an underscore")


def _now(date_format: str) -> str:
    return datetime.now(tz=UTC).strftime(date_format)
