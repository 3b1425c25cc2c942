# SPDX-License-Identifier: Apache-2.0
"""Asks a question by the `teetee` command and passes the answer on while it is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from demo.cli import TeeTeeCommand
from demo.errors import OutputUnreadable
from demo.phases.unsplit import UnsplitAnswer
from demo.processes.process_group import Argument
from demo.wallets import Wallet

LOG = "ask"
REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class AskResult:
    """An answered request. The answer is as the wallet decrypted it from the chain."""

    request_id: int
    answer: str = field(repr=False)
    token_ids: tuple[int, ...] = field(repr=False)
    finish_reason: str
    input_tokens: int
    output_tokens: int
    stream_agrees: bool | None

    def equals(self, unsplit: UnsplitAnswer) -> bool:
        """In tokens and text. The last character may be incomplete."""
        same_text = self.answer.rstrip(REPLACEMENT) == unsplit.text.rstrip(REPLACEMENT)
        return self.token_ids == unsplit.token_ids and same_text


def claim_tokens(command: TeeTeeCommand, wallet: Wallet) -> None:
    """Claim TEE from the test network's faucet. Raises what `TeeTeeCommand.call` raises."""
    command.call("faucet", "wallet", "faucet", wallet=wallet)


def ask(
    command: TeeTeeCommand,
    wallet: Wallet,
    question: str,
    *options: Argument,
    on_text: Callable[[str], None],
) -> AskResult:
    """Greedy decoding. The question is piped: arguments appear in the process list.

    Raises what `TeeTeeCommand.call` raises.
    """
    value = command.call(
        LOG,
        *("ask", "-", "--stream", "--no-verify", "--temperature", "0", *options),
        wallet=wallet,
        stdin=question.encode(),
        on_line=lambda line: _pass_text(line, on_text),
    )
    return _ask_result(value)


def _pass_text(line: bytes, on_text: Callable[[str], None]) -> None:
    with suppress(ValueError, KeyError, TypeError):
        on_text(json.loads(line)["text"])


def _ask_result(value: Any) -> AskResult:
    try:
        return AskResult(
            request_id=int(value["requestId"]),
            answer=value["answer"],
            token_ids=tuple(value["tokenIds"]),
            finish_reason=value["finishReason"],
            input_tokens=value["inputTokens"],
            output_tokens=value["outputTokens"],
            stream_agrees=value["streamAgrees"],
        )
    except (KeyError, TypeError, ValueError):
        raise OutputUnreadable("teetee ask", "lacks a field of an answer") from None
