# SPDX-License-Identifier: Apache-2.0
"""Models and shards, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from teetee.cli.output.printer import Printer
from teetee.client.amounts import round_amount
from teetee.client.times import format_seconds

if TYPE_CHECKING:
    from teetee.chain.types.shards import Shard
    from teetee.client.hosting.shard_probe import Probe
    from teetee.client.shard_listing import ModelListing

TcbStatuses = Mapping[int, str]
Probes = Mapping[int, "Probe"]


def print_models(printer: Printer, listings: list[ModelListing]) -> None:
    """One row per model."""
    columns = ("model", "name", "layers", "context", "per input", "per output", "registered")
    printer.table(
        columns,
        [
            (
                str(listing.model.model_id),
                listing.model.name,
                str(listing.model.layer_count),
                str(listing.model.context_length),
                round_amount(listing.model.input_price),
                round_amount(listing.model.output_price),
                "✓ all layers" if listing.has_path else f"✗ {describe_gaps(listing)}",
            )
            for listing in listings
        ],
        lead=("model {}", "{}"),
    )


def print_listing(
    printer: Printer, listing: ModelListing, statuses: TcbStatuses, probes: Probes | None
) -> None:
    """A model's shards, whether they form a path, and where a host is wanted."""
    model = listing.model
    printer.line(f"Model {model.model_id}: {model.name}, {model.layer_count} layers", "title")
    printer.line(
        f"{round_amount(model.input_price)} per input token, "
        f"{round_amount(model.output_price)} per output token"
    )
    columns = ["shard", "layers", "kind", "status", "expires in", "host", "endpoint", "TCB"]
    rows = [_row(shard, listing.at.timestamp, statuses) for shard in listing.shards]
    if probes is not None:
        columns.append("probe")
        for shard, row in zip(listing.shards, rows, strict=True):
            row.append(describe_probe(probes.get(int(shard.shard_id))))
    printer.table(columns, rows, lead=("shard {}", "layers {}", "{}", "{}", "expires in {}"))
    printer.line(_path_line(listing, probes))
    for slot in _answering(listing, probes).open_slots:
        printer.line(f"wanted: {slot}")


def describe_status(shard: Shard, now: int) -> str:
    """The registry's view: a shard may be registered and yet not answer."""
    if shard.is_active:
        return "✓ registered"
    if shard.status.name != "ACTIVE":
        return f"✗ {shard.status.name.lower()}"
    return "✗ expired" if shard.attested_until < now else "✗ bond too low"


def describe_expiry(shard: Shard, now: int) -> str:
    """Time left of the attestation; empty for a shard that has left."""
    if shard.status.name in ("RETIRED", "EVICTED"):
        return ""
    left = shard.attested_until - now
    return format_seconds(left) if left > 0 else "expired"


def describe_gaps(listing: ModelListing) -> str:
    """Why no path exists."""
    if listing.gaps:
        return "no shard for layers " + ", ".join(str(gap) for gap in listing.gaps)
    has_entry = any(shard.is_entry for shard in listing.active)
    return "the shards form no whole path" if has_entry else "no entry shard"


def describe_probe(probe: Probe | None) -> str:
    """`✓ up, 12 ms`, or why not."""
    if probe is None:
        return ""
    if probe.is_up:
        return f"✓ up, {probe.seconds * 1000:.0f} ms"
    problem, _, _advice = probe.problem.partition(". ")
    return f"✗ down: {problem.rstrip('.')}"


def model_json(listing: ModelListing) -> dict[str, Any]:
    """One model, without its shards."""
    model = listing.model
    return {
        "modelId": model.model_id,
        "name": model.name,
        "layerCount": model.layer_count,
        "contextLength": model.context_length,
        "inputPrice": str(model.input_price),
        "outputPrice": str(model.output_price),
        "royaltyBps": model.royalty_bps,
        "manifestURI": model.manifest_uri,
        "hasPath": listing.has_path,
        "gaps": [[gap.first, gap.end] for gap in listing.gaps],
        "openSlots": [
            {"layers": [slot.layers.first, slot.layers.end], "shards": slot.shards}
            for slot in listing.open_slots
        ],
    }


def listing_json(
    listing: ModelListing, statuses: TcbStatuses, probes: Probes | None
) -> dict[str, Any]:
    """One model with its shards; `probe` is null where none was made."""
    shards = [
        shard_json(shard, statuses.get(int(shard.shard_id)))
        | {"probe": _probe_json((probes or {}).get(int(shard.shard_id)))}
        for shard in listing.shards
    ]
    return model_json(listing) | {"shards": shards}


def shard_json(shard: Shard, tcb_status: str | None) -> dict[str, Any]:
    """One shard; `tcbStatus` is null if its quote was not checked here."""
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


def _row(shard: Shard, now: int, statuses: TcbStatuses) -> list[str]:
    return [
        str(shard.shard_id),
        str(shard.layers),
        "entry" if shard.is_entry else "stage",
        describe_status(shard, now),
        describe_expiry(shard, now),
        shard.host,
        shard.endpoint,
        statuses.get(int(shard.shard_id), _chain_verdict(shard)),
    ]


def _chain_verdict(shard: Shard) -> str:
    """The chain's assessment of the platform at the time of the present quote."""
    number = f" by TCB info {shard.evaluation_number}" if shard.evaluation_number else ""
    return f"{shard.tcb_status.intel_name}{number}, on chain"


def _answering(listing: ModelListing, probes: Probes | None) -> ModelListing:
    """The model with the shards that answer; with all of them if none was probed."""
    if probes is None:
        return listing
    up = [each for each in listing.active if probes[int(each.shard_id)].is_up]
    return replace(listing, shards=tuple(up))


def _path_line(listing: ModelListing, probes: Probes | None) -> str:
    if not listing.has_path:
        return f"✗ {describe_gaps(listing)}"
    if probes is None:
        return "✓ the registered shards form a whole path; --probe tests whether they answer"
    if _answering(listing, probes).has_path:
        return "✓ shards that answer form a whole path"
    down = [str(number) for number, probe in probes.items() if not probe.is_up]
    names = f"shard {down[0]} is" if len(down) == 1 else f"shards {', '.join(down)} are"
    return f"✗ no whole path answers: {names} down"


def _probe_json(probe: Probe | None) -> dict[str, Any] | None:
    if probe is None:
        return None
    return {"up": probe.is_up, "seconds": round(probe.seconds, 3), "problem": probe.problem or None}
