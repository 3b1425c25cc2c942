# SPDX-License-Identifier: Apache-2.0
"""Renders messages by a model's chat template, as transformers does, in a process of its own.

Templates are code from a model's publisher. They run in Jinja's sandbox, and this file runs as a
child process with limits of memory, time and recursion, so that a template that grows without end
ends its own request alone. Should a template leave the sandbox, `confinement` remains: from before
the first request on, the child can open no file or socket and start no program, because the kernel
ends it when it tries. So it reaches no key. `template_process` starts this file as a script: so it
imports nothing of the project, whose packages take seconds to import.
"""

import importlib
import json
import os
import runpy
import signal
import struct
import sys
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from jinja2 import TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

CPU_SECONDS = 2
"""Of one request. Templates take milliseconds."""
MAX_RECURSION = 1000
MAX_TEXT_BYTES = 8 << 20

REJECTED = "it rejects these messages (their roles or their order)"
FAILED = "it fails on these messages"
UNCONFINED = "this machine's kernel cannot confine it: seccomp on x86-64 or aarch64 is needed"

IMPORTED_LATE = (
    *("encodings.ascii", "encodings.latin_1", "encodings.unicode_escape", "jinja2.constants"),
    *("html", "jinja2.debug", "pprint", "textwrap", "unicodedata"),
)
"""What Jinja, its filters and Python import when they first need it."""
_WARM_UP = "{{ '\\n\\N{DASH}' | tojson }}{{ strftime_now('%d %b %Y') }}{{ 1 / 0 }}"


class MessagesRejected(Exception):
    """The template itself refuses the messages."""


def render(
    template: str, messages: Sequence[Mapping[str, str]], named_tokens: Mapping[str, str]
) -> str:
    """The prompt, up to the start of the model's turn. Raises what the template raises.

    named_tokens: the special tokens that the template can print, by name.
    """
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
    raise MessagesRejected


def _reject_underscore(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError("a name begins with an underscore")


def _now(date_format: str) -> str:
    return datetime.now(tz=UTC).strftime(date_format)


# -- the child process -----------------------------------------------------------------------------


def read_message(stream: BinaryIO) -> bytes | None:
    """One `u32 length ‖ body`; None at the end, and for a message that is too long."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack(">I", head)
    if length > MAX_TEXT_BYTES:
        return None
    body = stream.read(length)
    return body if len(body) == length else None


def write_message(stream: BinaryIO, body: bytes) -> None:
    """The reverse of `read_message`."""
    stream.write(struct.pack(">I", len(body)) + body)
    stream.flush()


def pack(fields: Sequence[str]) -> bytes:
    """Texts, each as `u32 length ‖ UTF-8`."""
    encoded = [field.encode("utf-8", "surrogatepass") for field in fields]
    return b"".join(struct.pack(">I", len(each)) + each for each in encoded)


def unpack(body: bytes) -> list[str]:
    """The reverse of `pack`. Raises `ValueError`."""
    fields, place = [], 0
    while place < len(body):
        end = place + 4 + int.from_bytes(body[place : place + 4])
        if end > len(body):
            raise ValueError("a text is cut off")
        fields.append(body[place + 4 : end].decode("utf-8", "surrogatepass"))
        place = end
    return fields


def pack_request(
    template: str, messages: Sequence[Mapping[str, str]], named_tokens: Mapping[str, str]
) -> bytes:
    """What the child renders: each mapping is packed by itself, then all together."""
    mappings = [named_tokens, *messages]
    packed = [pack([text for item in each.items() for text in item]).hex() for each in mappings]
    return pack([template, *packed])


def _answer(body: bytes) -> list[str]:
    """Kind and text: `text` and the prompt, or `error` and what is wrong."""
    template, *packed = unpack(body)
    fields = [unpack(bytes.fromhex(each)) for each in packed]
    named_tokens, *messages = [dict(zip(each[::2], each[1::2], strict=True)) for each in fields]
    try:
        return ["text", render(template, messages, named_tokens)]
    except MessagesRejected:
        return ["error", REJECTED]
    except Exception:  # noqa: BLE001 - whatever a template does, it fails alone
        return ["error", FAILED]


def _warm_up() -> None:
    """Import and open all that rendering may ever need, and fail once, as templates do."""
    warnings.simplefilter("ignore")  # a warning reads source files
    for name in IMPORTED_LATE:
        importlib.import_module(name)
    _answer(pack_request(_WARM_UP, [{"role": "user", "content": ""}], {}))


def _limit_process() -> None:
    """Raises `ConfinementFailed`."""
    sys.setrecursionlimit(MAX_RECURSION)
    confinement = runpy.run_path(str(Path(__file__).with_name("confinement.py")))
    confinement["confine_process"]()


def _limit_request() -> None:
    """The kernel ends the process when this request has taken its time."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)


def main() -> None:
    """Answers requests from standard input until it ends."""
    _warm_up()
    answer: Callable[[bytes], list[str]] = _answer
    try:
        _limit_process()
    except Exception:  # noqa: BLE001 - it must not render then, and says why
        answer = _refuse
    while (body := read_message(sys.stdin.buffer)) is not None:
        _limit_request()
        write_message(sys.stdout.buffer, pack(answer(body)))
    os._exit(0)  # an orderly end closes files, which is not allowed


def _refuse(_body: bytes) -> list[str]:
    return ["error", UNCONFINED]


if __name__ == "__main__":
    main()
