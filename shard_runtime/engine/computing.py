# SPDX-License-Identifier: Apache-2.0
"""Passes rows of several runs through a shard in one call, and finds the run that makes it fail."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from shard_runtime.backends.shard import Shard, Span

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepPart:
    """Neighbouring rows of one run."""

    span: Span
    rows: torch.Tensor = field(repr=False)  # (T, H)


def compute(shard: Shard, parts: Sequence[StepPart]) -> list[torch.Tensor | None]:
    """Each part's rows after the shard's layers, (T, H); None for a part that cannot be computed.

    All in one call. If that fails, each part alone, so that the others continue: a cache may get
    the same positions twice.
    """
    if not parts:
        return []
    try:
        return list(_compute_together(shard, parts))
    except Exception as error:  # noqa: BLE001 - a run's boundary; the message may hold content
        _log.error("a step failed", extra={"kind": type(error).__name__})
        return [_compute_alone(shard, part) for part in parts] if len(parts) > 1 else [None]


def _compute_together(shard: Shard, parts: Sequence[StepPart]) -> tuple[torch.Tensor, ...]:
    if len(parts) == 1:
        return (shard.forward(parts[0].rows, (parts[0].span,)),)
    hidden = torch.cat([part.rows for part in parts])  # (R, H)
    computed = shard.forward(hidden, [part.span for part in parts])
    return torch.split(computed, [part.span.rows for part in parts])


def _compute_alone(shard: Shard, part: StepPart) -> torch.Tensor | None:
    return compute(shard, [part])[0]
