# SPDX-License-Identifier: Apache-2.0
"""The present state of a deployment, as tables for people."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from administration.chain.contracts import Contracts
from administration.chain.networks import Network
from administration.chain.verifier import automata_behind
from administration.option_types import duration_text
from administration.policy.current_policy import policy_of
from administration.policy.fields import in_short
from administration.roles.history import Announcement, Membership
from administration.roles.role_ids import ROLE_NAMES
from teetee.chain.types.shards import ShardStatus
from teetee.client.amounts import round_amount


def time_text(seconds: int) -> str:
    """Unix seconds as a UTC date and time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def show_status(console: Console, network: Network, contracts: Contracts) -> None:
    """Requests, money, models and shards."""
    shards, paused = _shards(contracts)
    overview = _overview(network, contracts)
    overview.add_row("paused shards", str(paused))
    console.print(overview)
    # No columns: addresses and names must stay on one line, to be copied.
    for title, lines in (("Models", list(_models(contracts))), ("Shards", shards)):
        for line in (f"{title}:" if lines else f"{title}: none", *lines):
            console.print(line, soft_wrap=True, highlight=False, markup=False)


def show_roles(console: Console, memberships: list[Membership]) -> None:
    """The holders of roles, and the notice that each has to give."""
    table = Table(title="Roles")
    table.add_column("role")
    table.add_column("account", no_wrap=True)
    table.add_column("notice")
    for member in memberships:
        name = ROLE_NAMES.get(member.role, str(member.role))
        notice = duration_text(member.delay) if member.delay else "none"
        table.add_row(name, member.account, notice)
    console.print(table)


def show_announcements(
    console: Console, contracts: Contracts, found: list[Announcement], now: int
) -> None:
    """Announced operations that are not done yet."""
    if not found:
        console.print("Nothing is announced.")
        return
    # No columns: the 66 characters of an operation must stay on one line, to be copied.
    for each in found:
        when = time_text(each.ready_at) + (" (now)" if each.ready_at <= now else "")
        for line in (
            each.described(contracts),
            f"  by         {each.caller}",
            f"  from       {when} UTC on",
            f"  operation  0x{each.operation.hex()}",
        ):
            console.print(line, soft_wrap=True, highlight=False, markup=False)


def _overview(network: Network, contracts: Contracts) -> Table:
    escrow, token = contracts.escrow, contracts.token
    treasury = escrow.TREASURY()
    table = Table(show_header=False)
    table.add_row("network", f"{network.name}, chain {network.chain_id}")
    automata = automata_behind(contracts.verifier.address)
    table.add_row("verifier", f"Automata's, {automata}" if automata else "TeeTee's")
    table.add_row("requests", str(escrow.requestCount()))
    table.add_row("new requests", "paused" if escrow.areRequestsPaused() else "admitted")
    table.add_row("held by the escrow", round_amount(token.balanceOf(escrow)))
    table.add_row("treasury's credit", round_amount(escrow.accountOf(treasury).credit))
    table.add_row("fee", f"{escrow.FEE_BPS() / 100:g} %")
    table.add_row("penalty", round_amount(escrow.PENALTY()))
    table.add_row("bond", round_amount(contracts.registry.BOND()))
    return table


def _models(contracts: Contracts) -> Iterator[str]:
    registry = contracts.registry
    for model_id in range(1, registry.modelCount() + 1):
        model = registry.model(model_id)
        prices = round_amount(model.inputPrice), round_amount(model.outputPrice)
        yield f"  {model_id}  {model.name}"
        yield f"     {model.layerCount} layers, context of {model.contextLength} tokens"
        yield f"     {prices[0]} per prompt token, {prices[1]} per answer token"
        yield f"     royalty {model.royaltyBps / 100:g} %"
        yield f"     accepts {in_short(policy_of(registry, model_id))}"


def _shards(contracts: Contracts) -> tuple[list[str], int]:
    """Lines, and the number of shards that wait for fresh collateral."""
    registry, paused, lines = contracts.registry, 0, []
    for shard_id in range(1, registry.shardCount() + 1):
        shard = registry.shard(shard_id)
        entry = ", entry" if shard.isEntry else ""
        status = ShardStatus(shard.status)
        paused += status is ShardStatus.PAUSED
        is_unfit = status is ShardStatus.ACTIVE and not registry.isActive(shard_id)
        layers = f"{shard.firstLayer}-{shard.endLayer}"
        until = time_text(shard.attestedUntil)
        lines.append(f"  {shard_id}  model {shard.modelId}, layers {layers}{entry}")
        lines.append(f"     host {shard.host}")
        lines.append(f"     {'unfit' if is_unfit else status.name}, attested until {until} UTC")
    return lines, paused
