# SPDX-License-Identifier: Apache-2.0
"""Shards as the registry would show them; factories with good defaults."""

from typing import Any

from eth_account import Account

from teetee.chain.types.shards import Shard, ShardStatus
from teetee.protocol.identifiers import ModelId, ShardId
from teetee.protocol.keyset import Keyset
from teetee.protocol.layers import LayerRange
from teetee.quotes.tcb_status import TcbStatus

FAR_FUTURE = 4_000_000_000


def shard(number: int, first: int = 0, end: int = 4, **changes: Any) -> Shard:
    """Active, of model 1, with keys of its own."""
    signer = Account.from_key(number.to_bytes(32)).address
    values: dict[str, Any] = {
        "shard_id": ShardId(number),
        "model_id": ModelId(1),
        "layers": LayerRange(first, end),
        "is_entry": first == 0,
        "host": signer,
        "keyset": Keyset(signer, number.to_bytes(32), tls(number)),
        "endpoint": f"127.0.0.1:{7_000 + number}",
        "slice_digest": b"s" * 32,
        "identity_digest": number.to_bytes(32),
        "quote_hash": b"q" * 32,
        "measurement": b"m" * 32,
        "pck_id": b"p" * 32,
        "platform_id": b"f" * 32,
        "tcb_status": TcbStatus.UP_TO_DATE,
        "evaluation_number": 17,
        "collateral_until": FAR_FUTURE,
        "attested_until": FAR_FUTURE,
        "status": ShardStatus.ACTIVE,
        "is_active": True,
        "bond": 1,
        "quoted_block_number": 1,
        "quoted_block_hash": b"b" * 32,
    }
    return Shard(**(values | changes))


def tls(number: int) -> bytes:
    """The TLS pin of a shard made here."""
    return (number + 1_000).to_bytes(32)
