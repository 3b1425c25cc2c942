# SPDX-License-Identifier: Apache-2.0
"""What `teetee ask` says of an answer below it.

given an answer that ended before its end of sequence
    it should say whether the requester's own limit or the time cut it
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from teetee.cli.output.outcome_view import print_outcome
from teetee.cli.output.printer import Printer
from teetee.client.requests.await_answer import Outcome
from teetee.protocol.answer import Answer, FinishReason


def printed(
    capsys: pytest.CaptureFixture[str], reason: FinishReason, tokens: int, max_tokens: int | None
) -> str:
    answer = Answer("text", tuple(range(tokens)), reason, 40, tokens)
    outcome: Any = SimpleNamespace(
        request_id=1,
        answer=answer,
        request=SimpleNamespace(deposit=0),
        settled=SimpleNamespace(),
        usage_agrees=True,
        stream_agrees=True,
    )
    print_outcome(Printer(as_json=False), cast(Outcome, outcome), max_tokens)
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("reason", "tokens", "max_tokens", "shown"),
    [
        pytest.param("stop", 20, 50, "20 out; free", id="ended by itself"),
        pytest.param("length", 50, 50, "50 out (cut at --max-tokens); free", id="own limit"),
        pytest.param("length", 16, 50, "16 out (cut for time: a later", id="time"),
        pytest.param("length", 16, None, "(cut at --max-tokens, or for time)", id="not known"),
    ],
)
def test_b5_print_outcome__answer_was_cut__says_by_what(
    capsys: pytest.CaptureFixture[str],
    reason: FinishReason,
    tokens: int,
    max_tokens: int | None,
    shown: str,
) -> None:
    """It used to blame --max-tokens for an answer of two tokens that time had cut."""
    assert shown in printed(capsys, reason, tokens, max_tokens)
