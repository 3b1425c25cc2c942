# SPDX-License-Identifier: Apache-2.0
"""Many JSON-RPC calls to the chain at once: the harness's own, past the faulty nodes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from typing import Any

from tests.faults.world import FaultWorld

SECONDS = 30.0
CALLS_AT_ONCE = 40
"""anvil refuses bodies of more than 2 MB."""

MethodCall = tuple[str, list[Any]]


def batch_call(world: FaultWorld, calls: Sequence[MethodCall]) -> list[Any]:
    """Their results, None for a refusal. Raises `OSError`, `ValueError`."""
    found: list[Any] = []
    for start in range(0, len(calls), CALLS_AT_ONCE):
        found += _call(world.chain.url, calls[start : start + CALLS_AT_ONCE])
    return found


def _call(url: str, calls: Sequence[MethodCall]) -> list[Any]:
    body = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        for number, (method, parameters) in enumerate(calls)
    ]
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as reply:
        answers = json.load(reply)
    if not isinstance(answers, list):
        raise ValueError(f"the node refuses the batch: {answers}")
    results = {answer["id"]: answer.get("result") for answer in answers}
    return [results.get(number) for number in range(len(calls))]
