# SPDX-License-Identifier: Apache-2.0
"""The child process that renders chat templates; see `renderer` for what it may do.

A request that exceeds the child's limits ends the child; the next request gets a new one. The pipe
to it is the only place outside this process where a prompt is plain; the child is not dumpable and
opens no file.
"""

import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from shard_runtime.errors import ChatTemplateExceeded, ChatTemplateInvalid
from shard_runtime.model_files.chat_template.renderer import (
    pack_request,
    read_message,
    unpack,
    write_message,
)

SCRIPT = Path(__file__).with_name("renderer.py")
ENVIRONMENT = {"LANG": "C.UTF-8", "TZ": "UTC0", "MALLOC_ARENA_MAX": "1"}
"""With it, the C library reads no file for the time of day or for another arena of memory."""
MAX_SECONDS = 20.0
"""Wall clock of one request, for a child that neither computes nor answers."""


class TemplateProcess:
    """Renders one request at a time, from any thread. The child starts with the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] = []
        weakref.finalize(self, _stop_all, self._children)

    def render(
        self,
        template: str,
        messages: Sequence[Mapping[str, str]],
        named_tokens: Mapping[str, str],
    ) -> str:
        """The prompt, up to the start of the model's turn. Raises `ChatTemplateInvalid`, and
        `ChatTemplateExceeded` if the child ends.

        named_tokens: the special tokens that the template can print, by name.
        """
        request = pack_request(template, messages, named_tokens)
        with self._lock:
            kind, text = self._ask(request)
        if kind != "text":
            raise ChatTemplateInvalid(text)
        return text

    def close(self) -> None:
        """End the child. May be called any number of times."""
        with self._lock:
            _stop_all(self._children)

    def _ask(self, request: bytes) -> list[str]:
        child = self._child()
        timer = threading.Timer(MAX_SECONDS, child.kill)
        timer.daemon = True
        timer.start()
        try:
            write_message(cast(BinaryIO, child.stdin), request)
            body = read_message(cast(BinaryIO, child.stdout))
            answer = [] if body is None else unpack(body)
        except (OSError, ValueError):
            answer = []
        finally:
            timer.cancel()
        if len(answer) != 2:
            _stop_all(self._children)
            raise ChatTemplateExceeded
        return answer

    def _child(self) -> subprocess.Popen[bytes]:
        if not self._children or self._children[0].poll() is not None:
            _stop_all(self._children)
            self._children.append(
                subprocess.Popen(
                    [sys.executable, "-I", "-B", str(SCRIPT)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=ENVIRONMENT,
                )
            )
        return self._children[0]


def _stop_all(children: list[subprocess.Popen[bytes]]) -> None:
    while children:
        child = children.pop()
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue  # what was not written does not matter any more
