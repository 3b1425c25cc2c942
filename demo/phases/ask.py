# SPDX-License-Identifier: Apache-2.0
"""A wallet asks by the real command, and the answer is shown while it is made."""

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
CUT = "\ufffd"


@dataclass(frozen=True)
class Asked:
    """A request that was answered; the answer is as the wallet decrypted it from the chain."""

    request_id: int
    answer: str = field(repr=False)
    token_ids: tuple[int, ...] = field(repr=False)
    finish_reason: str
    input_tokens: int
    output_tokens: int
    stream_agrees: bool | None

    def equals(self, unsplit: UnsplitAnswer) -> bool:
        """Token for token, and in text; a last character may be cut in the middle of its bytes."""
        same_text = self.answer.rstrip(CUT) == unsplit.text.rstrip(CUT)
        return self.token_ids == unsplit.token_ids and same_text


def claim_tokens(command: TeeTeeCommand, wallet: Wallet) -> None:
    """TEE from the test network's faucet. Raises what `TeeTeeCommand.call` raises."""
    command.call("faucet", "wallet", "faucet", wallet=wallet)


def ask(
    command: TeeTeeCommand,
    wallet: Wallet,
    question: str,
    *options: Argument,
    on_text: Callable[[str], None],
) -> Asked:
    """Greedy. The question goes through a pipe: arguments stand in the process list.

    Raises what `TeeTeeCommand.call` raises.
    """
    value = command.call(
        LOG,
        *("ask", "-", "--stream", "--no-verify", "--temperature", "0", *options),
        wallet=wallet,
        given=question.encode(),
        on_out=lambda line: _show(line, on_text),
    )
    return _asked(value)


def _show(line: bytes, on_text: Callable[[str], None]) -> None:
    with suppress(ValueError, KeyError, TypeError):
        on_text(json.loads(line)["text"])


def _asked(value: Any) -> Asked:
    try:
        return Asked(
            request_id=int(value["requestId"]),
            answer=value["answer"],
            token_ids=tuple(value["tokenIds"]),
            finish_reason=value["finishReason"],
            input_tokens=value["inputTokens"],
            output_tokens=value["outputTokens"],
            stream_agrees=value["streamAgrees"],
        )
    except (KeyError, TypeError, ValueError):
        raise OutputUnreadable("teetee ask", "lacks what an answer has") from None
