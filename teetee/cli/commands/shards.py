# SPDX-License-Identifier: Apache-2.0
"""`teetee models` and `teetee shards`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from teetee.chain.types.shards import Shard
from teetee.cli.network import QuoteSettings
from teetee.cli.options import AcceptTcbOption, CollateralOption, PccsOption
from teetee.cli.output.durations import format_seconds
from teetee.cli.session import Session, with_session
from teetee.client.amounts import format_amount
from teetee.client.shard_listing import ModelListing, list_models
from teetee.errors import TeeTeeError

ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="Number or name. Default: all of them.")
]
MODELS_EPILOG = """
  $ teetee models

  $ teetee models --json
"""
SHARDS_EPILOG = """
  $ teetee shards

  $ teetee shards --model 1 --all

  $ teetee shards --pccs https://pccs.example --json
"""


@with_session
def models(session: Session) -> None:
    """List the published models and their prices."""
    with session.printer.waiting("Reading the registry…"):
        found = list_models(session.contracts, None, include_inactive=False)
    session.printer.result([_model_json(supply) for supply in found])
    if session.printer.as_json:
        return
    if not found:
        session.printer.say("No model is published here.")
        return
    session.printer.table(
        ("model", "name", "layers", "context", "per input token", "per output token", "served"),
        [
            (
                str(supply.model.model_id),
                supply.model.name,
                str(supply.model.layer_count),
                str(supply.model.context_length),
                format_amount(supply.model.input_price),
                format_amount(supply.model.output_price),
                "✓ whole" if supply.has_path else f"✗ {_gaps(supply)}",
            )
            for supply in found
        ],
    )


@with_session
def shards(
    session: Session,
    model: ModelOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those which are not active.")
    ] = False,
    pccs: PccsOption = None,
    collateral: CollateralOption = None,
    accept_tcb: AcceptTcbOption = None,
) -> None:
    """List who serves which layers, until when, and where another host is wanted: layers that
    nobody serves, or one shard alone.
    """
    with session.printer.waiting("Reading the registry…"):
        found = list_models(session.contracts, model, include_inactive=everything)
        settings = QuoteSettings(pccs, collateral, tuple(accept_tcb or ()))
        verdicts = _verdicts(session, settings, found)
    session.printer.result([_supply_json(supply, verdicts) for supply in found])
    if session.printer.as_json:
        return
    if not found:
        session.printer.say("No model is published here.")
    for supply in found:
        _print_supply(session, supply, verdicts)


def _print_supply(session: Session, supply: ModelListing, verdicts: dict[int, str]) -> None:
    model = supply.model
    title = (
        f"Model {model.model_id} {model.name}, {model.layer_count} layers: "
        f"{format_amount(model.input_price)} per input token, "
        f"{format_amount(model.output_price)} per output token"
    )
    session.printer.table(
        ("shard", "layers", "kind", "host", "endpoint", "active", "expires in", "TCB"),
        [_row(shard, supply, verdicts) for shard in supply.shards],
        title=title,
    )
    session.printer.line(
        "✓ every layer is served, and a path exists" if supply.has_path else f"✗ {_gaps(supply)}"
    )
    for slot in supply.open_slots:
        session.printer.line(f"  open: {slot}")


def _row(shard: Shard, supply: ModelListing, verdicts: dict[int, str]) -> tuple[str, ...]:
    left = shard.attested_until - supply.at.timestamp
    return (
        str(shard.shard_id),
        str(shard.layers),
        "entry" if shard.is_entry else "stage",
        shard.host,
        shard.endpoint,
        "✓" if shard.is_active else f"✗ {shard.status.name}",
        format_seconds(left) if left > 0 else "expired",
        verdicts.get(int(shard.shard_id), _chain_verdict(shard)),
    )


def _chain_verdict(shard: Shard) -> str:
    """What the chain said of the platform when the present quote was shown."""
    number = f" by TCB info {shard.evaluation_number}" if shard.evaluation_number else ""
    return f"{shard.tcb_status.intel_name}{number}, on chain"


def _verdicts(
    session: Session, settings: QuoteSettings, found: list[ModelListing]
) -> dict[int, str]:
    """TCB status of each active shard, or why there is none; empty without collateral."""
    judge = settings.judge(session.contracts)
    if judge is None:
        return {}
    verdicts = {}
    for supply in found:
        for shard in supply.active:
            try:
                core, pck_id = session.contracts.registry.quote(shard)
                verdict = judge.check(core, pck_id, supply.at.timestamp)
                verdicts[int(shard.shard_id)] = verdict.tcb_status
            except TeeTeeError as error:
                verdicts[int(shard.shard_id)] = f"✗ {error}"
    return verdicts


def _gaps(supply: ModelListing) -> str:
    if supply.gaps:
        return "nobody serves " + ", ".join(str(gap) for gap in supply.gaps)
    return "no entry shard" if not any(s.is_entry for s in supply.active) else "no path fits"


def _model_json(supply: ModelListing) -> dict[str, Any]:
    model = supply.model
    return {
        "modelId": model.model_id,
        "name": model.name,
        "layerCount": model.layer_count,
        "contextLength": model.context_length,
        "inputPrice": str(model.input_price),
        "outputPrice": str(model.output_price),
        "royaltyBps": model.royalty_bps,
        "manifestURI": model.manifest_uri,
        "hasPath": supply.has_path,
        "gaps": [[gap.first, gap.end] for gap in supply.gaps],
        "openSlots": [
            {"layers": [slot.layers.first, slot.layers.end], "shards": slot.shards}
            for slot in supply.open_slots
        ],
    }


def _supply_json(supply: ModelListing, verdicts: dict[int, str]) -> dict[str, Any]:
    return _model_json(supply) | {
        "shards": [shard_json(shard, verdicts.get(int(shard.shard_id))) for shard in supply.shards]
    }


def shard_json(shard: Shard, tcb_status: str | None) -> dict[str, Any]:
    """One shard; `tcbStatus` is null where nobody judged its quote off chain."""
    return {
        "shardId": shard.shard_id,
        "modelId": shard.model_id,
        "layers": [shard.layers.first, shard.layers.end],
        "isEntry": shard.is_entry,
        "host": shard.host,
        "signer": shard.keyset.signer,
        "kem": "0x" + shard.keyset.kem.hex(),
        "tls": "0x" + shard.keyset.tls.hex(),
        "endpoint": shard.endpoint,
        "active": shard.is_active,
        "status": shard.status.name,
        "attestedUntil": shard.attested_until,
        "bond": str(shard.bond),
        "quoteHash": "0x" + shard.quote_hash.hex(),
        "measurement": "0x" + shard.measurement.hex(),
        "tcbStatus": tcb_status,
        "chainTcbStatus": shard.tcb_status.intel_name,
        "evaluationNumber": shard.evaluation_number or None,
        "collateralUntil": shard.collateral_until or None,
        "platformId": "0x" + shard.platform_id.hex(),
    }
