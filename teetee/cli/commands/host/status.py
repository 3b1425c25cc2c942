# SPDX-License-Identifier: Apache-2.0
"""`teetee host status`: a host's shards and earnings. Imported when it runs."""

from __future__ import annotations

from typing import Any

from teetee.chain.types.shards import Shard
from teetee.cli.output.shard_view import describe_expiry, describe_status, shard_json
from teetee.cli.session import Session
from teetee.client.amounts import round_amount
from teetee.client.shard_listing import shards_of_host

LOW_GAS_WEI = 10**15
COLUMNS = (
    "shard",
    "model",
    "layers",
    "status",
    "expires in",
    "bond",
    "free today",
    "gas",
    "signer",
)


def show_status(session: Session, address: str) -> None:
    """Print shards, earnings, allowances, and the gas of each enclave's signer."""
    contracts, printer = session.contracts, session.printer
    with printer.waiting("Reading the registry…"):
        shards = shards_of_host(contracts, address)
        account = contracts.escrow.account_of(address)
        payout = contracts.registry.payout_of(address)
        rows = [_shard_status(session, shard, address) for shard in shards]
    value = {
        "host": address,
        "payout": payout,
        "credit": str(account.credit),
        "servedLayerTokens": account.served_layer_tokens,
        "shards": rows,
    }
    printer.result(value)
    if not printer.as_json:
        _print_account(session, value)
        _print_shards(session, shards, rows)


def _shard_status(session: Session, shard: Shard, address: str) -> dict[str, Any]:
    contracts = session.contracts
    allowance = contracts.escrow.allowance_of(address, shard.shard_id)
    return shard_json(shard, None) | {
        "allowanceQuota": allowance.quota,
        "allowanceLeft": allowance.left,
        "signerEther": str(contracts.ether_of(shard.keyset.signer)),
    }


def _print_account(session: Session, value: dict[str, Any]) -> None:
    credit = round_amount(int(value["credit"]), down=True)
    session.printer.record(
        [
            ("credit", f"{credit} earned or refunded, paid out by `teetee host withdraw`"),
            ("payout to", value["payout"] or "not fixed yet"),
            ("served", f"{value['servedLayerTokens']} tokens × layers; free use grows with it"),
        ],
        title=f"Host {value['host']}",
    )


def _print_shards(session: Session, shards: list[Shard], rows: list[dict[str, Any]]) -> None:
    printer = session.printer
    if not shards:
        printer.say("No shard yet. `teetee host enrol --help` tells how to add one.")
        return
    now = session.contracts.connection.head().timestamp
    printer.table(
        COLUMNS,
        [
            (
                str(shard.shard_id),
                str(shard.model_id),
                str(shard.layers),
                describe_status(shard, now),
                describe_expiry(shard, now),
                round_amount(shard.bond),
                f"{row['allowanceLeft']} of {row['allowanceQuota']} tokens",
                # Only an entry sends transactions.
                round_amount(int(row["signerEther"]), "ETH", down=True) if shard.is_entry else "",
                shard.keyset.signer,
            )
            for shard, row in zip(shards, rows, strict=True)
        ],
        lead=("shard {}", "model {}", "layers {}", "{}", "expires in {}"),
    )
    poor = [
        row
        for row in rows
        if row["active"] and row["isEntry"] and int(row["signerEther"]) < LOW_GAS_WEI
    ]
    for row in poor:
        printer.warn(
            f"The enclave of shard {row['shardId']} is low on gas and cannot settle without it: "
            f"`teetee wallet send {row['signer']} 0.01 --eth`."
        )
