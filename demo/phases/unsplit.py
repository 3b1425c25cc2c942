# SPDX-License-Identifier: Apache-2.0
"""The unsplit model's answer, which the split model must give token for token."""

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
    """transformers' greedy answer. The last token id may be an end of sequence."""

    token_ids: tuple[int, ...] = field(repr=False)
    text: str = field(repr=False)


def answer_unsplit(
    supervisor: Supervisor, model: Path, question: str, max_tokens: int
) -> UnsplitAnswer:
    """Raises `ProcessEnded`, `ProcessSilent`, `OutputUnreadable`."""
    task = {
        "model": str(model),
        "messages": [{"role": "user", "content": question}],
        "maxTokens": max_tokens,
    }
    argv = [sys.executable, "-m", "demo.unsplit_model"]
    stdin = json.dumps(task).encode()
    finished = supervisor.run("unsplit", argv, environment(), seconds=SECONDS, stdin=stdin)
    try:
        found = json.loads(finished.stdout)
        return UnsplitAnswer(tuple(found["tokenIds"]), found["text"])
    except (ValueError, KeyError, TypeError):
        raise OutputUnreadable("demo.unsplit_model", "is not the promised JSON") from None
