# SPDX-License-Identifier: Apache-2.0
"""What ends a loop of rechecks, and what it goes on past.

given shards of which one cannot be rechecked, for a reason of its own
    it should be in its outcome, and all others be rechecked
given nodes that are away, or a wallet without ETH
    the loop should end, because each further shard would meet the same
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from teetee.chain.contract_errors import ContractRejected
from teetee.chain.errors import (
    InsufficientFunds,
    LogMissing,
    RpcRefused,
    RpcUnavailable,
    ShardIdentityMismatch,
)
from teetee.chain.types.shards import ShardStatus
from teetee.collateral.rechecks import recheck_shards
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId
from teetee.quotes.errors import QuoteMalformed

COUNT, BAD = 5, 2


class FakeRegistry:
    """Shards 1 to 5, of which one fails where it is told to."""

    verifier = SimpleNamespace(is_adapter=False)

    def __init__(self, failing: str, failure: TeeTeeError) -> None:
        self._failing, self._failure = failing, failure

    def _fail(self, call: str, shard_id: int) -> None:
        if (call, shard_id) == (self._failing, BAD):
            raise self._failure

    def shard_count(self) -> int:
        return COUNT

    def status(self, _: ShardId) -> ShardStatus:
        return ShardStatus.ACTIVE

    def shard(self, shard_id: ShardId) -> Any:
        self._fail("shard", shard_id)
        return SimpleNamespace(shard_id=shard_id, status=ShardStatus.ACTIVE)

    def claims(self, shard: Any) -> Any:
        self._fail("claims", shard.shard_id)
        return shard.shard_id

    def status_after_recheck(self, shard: Any, _: Any) -> ShardStatus:
        self._fail("status_after_recheck", shard.shard_id)
        return ShardStatus.ACTIVE


def recheck(failing: str, failure: TeeTeeError) -> dict[int, str | None]:
    registry: Any = FakeRegistry(failing, failure)
    sender: Any = None
    return {int(each.shard_id): each.error for each in recheck_shards(registry, sender)}


@pytest.mark.parametrize("failing", ["shard", "claims", "status_after_recheck"])
@pytest.mark.parametrize(
    "failure",
    [
        LogMissing("ShardEnrolled", 7),
        ShardIdentityMismatch(BAD, bytes(32), bytes(32)),
        QuoteMalformed("ends too early"),
        ContractRejected("ClaimsMismatch"),
        RpcRefused("eth_call", -32000, "out of gas"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_h6_recheck_shards__one_cannot_be_rechecked__the_others_are(
    failing: str, failure: TeeTeeError
) -> None:
    errors = recheck(failing, failure)
    assert sorted(errors) == list(range(1, COUNT + 1))
    assert errors.pop(BAD) == str(failure)
    assert set(errors.values()) == {None}


@pytest.mark.parametrize(
    "failure",
    [RpcUnavailable({"http://node": "no connection"}), InsufficientFunds(2, 1, "0x01")],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("failing", ["shard", "claims", "status_after_recheck"])
def test_h6_recheck_shards__nodes_are_away_or_the_wallet_is_empty__ends(
    failing: str, failure: TeeTeeError
) -> None:
    with pytest.raises(type(failure)):
        recheck(failing, failure)
