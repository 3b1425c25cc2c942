# SPDX-License-Identifier: Apache-2.0
"""The answer that the split model must give, token for token."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from demo.errors import OutputUnreadable
from demo.processes.environment import environment
from demo.processes.supervisor import Supervisor

SECONDS = 300.0


@dataclass(frozen=True)
class UnsplitAnswer:
    """What transformers says, greedy. The last token id may be an end of sequence."""

    token_ids: tuple[int, ...] = field(repr=False)
    text: str = field(repr=False)


def answer_unsplit(
    supervisor: Supervisor, model: Path, question: str, max_tokens: int
) -> UnsplitAnswer:
    """Raises `ProcessEnded`, `ProcessSilent`, `OutputUnreadable`."""
    asked = {
        "model": str(model),
        "messages": [{"role": "user", "content": question}],
        "maxTokens": max_tokens,
    }
    argv = [sys.executable, "-m", "demo.unsplit_model"]
    given = json.dumps(asked).encode()
    run = supervisor.run("unsplit", argv, environment(), seconds=SECONDS, given=given)
    try:
        found = json.loads(run.out)
        return UnsplitAnswer(tuple(found["tokenIds"]), found["text"])
    except (ValueError, KeyError, TypeError):
        raise OutputUnreadable("demo.unsplit_model", "is not the promised JSON") from None
