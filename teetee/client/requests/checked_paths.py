# SPDX-License-Identifier: Apache-2.0
"""Chooses the shards that a wallet accepts for a request: those that it could read and check, as
far as they form paths.

A shard that is left out stops no request that others can serve. It is not on the request's path
either: the entry chooses the path, and the sealed prompt names the shards that it may use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from teetee.chain.types.blocks import Block
from teetee.chain.types.models import Model
from teetee.chain.types.shards import Shard
from teetee.client.contracts import Contracts
from teetee.client.errors import PathRefused, PathUncheckable
from teetee.client.requests.recipients import spread_recipients
from teetee.client.serving_paths import shards_on_paths
from teetee.client.verification.shard_check import OnShard, ShardCheck
from teetee.errors import NoEntryShard, PathError, Retryable, TeeTeeError
from teetee.protocol.identifiers import ShardId
from teetee.protocol.path import Spread, choose_path
from teetee.protocol.prompt import MAX_NAMED_SHARDS

Notify = Callable[[str], None]


@dataclass(frozen=True)
class CheckedPaths:
    """Shards that were checked and are on a path; entries first."""

    shards: tuple[Shard, ...]
    tcb_statuses: dict[int, str]
    """By shard id; empty where no quote was checked."""
    left_out: tuple[ShardId, ...]
    """Shards that could not be read, or did not pass."""


def find_checked_paths(
    contracts: Contracts,
    shard_check: ShardCheck,
    model: Model,
    spread: Spread,
    shard_ids: Sequence[ShardId],
    at: Block,
    on_warning: Notify,
    on_shard: OnShard,
) -> CheckedPaths:
    """Read and check those of the active shards that are on a path. Warns of each that is left out.

    Raises `PathRefused` or `PathUncheckable` if no path is left, the errors of
    `teetee.protocol.path` if there was none before, and errors of the whole chain.
    """
    readable, problems = contracts.registry.readable_shards(shard_ids, at)
    try:
        on_paths = _on_paths(readable, model)
        checked = shard_check.check_shards(on_paths, model, at, on_shard)
        problems |= checked.problems
        found = spread_recipients(_on_paths(checked.fit, model), model.layer_count, spread)
    except PathError as error:
        if problems:
            raise _refusal(error, problems) from None
        raise
    for shard_id, problem in problems.items():
        on_warning(f"Shard {shard_id} is left out. {problem}")
    return CheckedPaths(found, checked.tcb_statuses, tuple(problems))


def named_shards(
    on_paths: Sequence[Shard], recipients: Sequence[Shard], layer_count: int, spread: Spread
) -> tuple[int, ...]:
    """The ids that a prompt for these recipients names as the only ones that may compute: all, or
    the most that it can name, a path of each recipient first.
    """
    chosen = [
        choose_path(on_paths, layer_count, entry.model_id, entry=entry.shard_id, spread=spread)
        for entry in recipients
    ]
    ids = dict.fromkeys(int(shard.shard_id) for path in (*chosen, on_paths) for shard in path)
    return tuple(ids)[:MAX_NAMED_SHARDS]


def _on_paths(shards: Sequence[Shard], model: Model) -> tuple[Shard, ...]:
    """Raises `NoEntryShard`, `PathIncomplete`."""
    if not shards:
        raise NoEntryShard(model.model_id)
    return shards_on_paths(shards, model.layer_count)


def _refusal(error: PathError, problems: Mapping[ShardId, TeeTeeError]) -> TeeTeeError:
    reasons = {int(shard_id): str(problem) for shard_id, problem in problems.items()}
    may_pass_later = any(isinstance(problem, Retryable) for problem in problems.values())
    return (PathUncheckable if may_pass_later else PathRefused)(str(error), reasons)
