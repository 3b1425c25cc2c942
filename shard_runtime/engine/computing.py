# SPDX-License-Identifier: Apache-2.0
"""Rows of several runs through a shard in one call, and whose fault it is when that fails."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from shard_runtime.backends.shard import Shard, Span

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring rows of one run."""

    span: Span
    rows: torch.Tensor = field(repr=False)  # (T, H)


def compute(shard: Shard, parts: Sequence[Part]) -> list[torch.Tensor | None]:
    """What each part comes to, (T, H); None for one that cannot be computed.

    All in one call. If that fails, each alone, so that the others go on: a cache takes the same
    positions twice without harm.
    """
    if not parts:
        return []
    try:
        return list(_together(shard, parts))
    except Exception as error:  # noqa: BLE001 - a run's boundary; the message may hold content
        _log.error("a step failed", extra={"kind": type(error).__name__})
        return [_alone(shard, part) for part in parts] if len(parts) > 1 else [None]


def _together(shard: Shard, parts: Sequence[Part]) -> tuple[torch.Tensor, ...]:
    if len(parts) == 1:
        return (shard.forward(parts[0].rows, (parts[0].span,)),)
    hidden = torch.cat([part.rows for part in parts])  # (R, H)
    computed = shard.forward(hidden, [part.span for part in parts])
    return torch.split(computed, [part.span.rows for part in parts])


def _alone(shard: Shard, part: Part) -> torch.Tensor | None:
    return compute(shard, [part])[0]
