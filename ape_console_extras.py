# SPDX-License-Identifier: Apache-2.0
"""The names that `ape console` starts with: the connected network's contracts, and a few helpers.

    ape console --network base:sepolia:node
    source build/world.env && ape console               the world of `make world`
    APE_FOUNDRY_HOST=http://127.0.0.1:8545 ape console  another local chain

TEETEE_DEPLOYMENT=FILE chooses another deployment file than the network's.
"""

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from ape.contracts import ContractInstance
from ape.managers.networks import NetworkManager

from administration.chain.contracts import open_contracts
from administration.chain.networks import connected_network
from teetee.chain.types.policies import AttestationPolicy
from teetee.chain.types.requests import RequestStatus
from teetee.chain.types.shards import ShardStatus
from teetee.client.amounts import format_amount, parse_amount
from teetee.client.times import format_time
from teetee.errors import TeeTeeError

CONTRACTS = ("token", "registry", "escrow", "verifier", "certificates")
REQUEST_PAGE = 500
TIMES = {"attestedUntil", "openedAt", "deadline"}
AMOUNTS = {"bond", "deposit", "inputPrice", "outputPrice"}


class Listing(dict[int, Any]):
    """Records by their ids; printed one record at a time, one field a line."""

    def __repr__(self) -> str:
        return "\n".join(_record_text(key, value) for key, value in self.items()) or "none"

    __str__ = __repr__


def ape_init_extras(networks: NetworkManager) -> dict[str, Any]:
    """Called by ape once, when the console opens. Prints the names that it adds."""
    try:
        network = connected_network(networks.provider)
        named = os.environ.get("TEETEE_DEPLOYMENT")
        contracts = open_contracts(network, Path(named) if named else None)
    except TeeTeeError as error:
        print(f"TeeTee: no contracts by name. {error}")
        return {"tee": parse_amount, "amount": format_amount}
    names = {name: getattr(contracts, name) for name in CONTRACTS}
    names["manager"] = contracts.access_manager
    print(f"TeeTee on {network.name}, chain {network.chain_id}:")
    print(f"  contracts: {', '.join(names)}")
    print("  helpers:   models(), policies(), shards(), open_requests(),")
    print('             tee("1.5") → wei, amount(wei) → text')
    return names | _helpers(names) | {"deployment": contracts.deployment}


def _helpers(names: dict[str, ContractInstance]) -> dict[str, Callable[..., Any]]:
    registry, escrow = names["registry"], names["escrow"]

    def models() -> Listing:
        """All published models, by id."""
        return Listing({each: registry.model(each) for each in _ids(registry.modelCount())})

    def policies() -> Listing:
        """The policies of all published models, by model id."""
        found = {each: registry.policyOf(each) for each in _ids(registry.modelCount())}
        return Listing(
            {each: AttestationPolicy.from_struct(policy) for each, policy in found.items()}
        )

    def shards() -> Listing:
        """All shards, also those that have left, by id."""
        return Listing({each: registry.shard(each) for each in _ids(registry.shardCount())})

    def open_requests() -> Listing:
        """All open requests, by id."""
        found = Listing()
        cursor = 0
        while True:
            page = escrow.openRequests(0, cursor, REQUEST_PAGE)
            found |= {each: escrow.requestOf(each) for each in page.requestIds}
            cursor = page.next
            if cursor == 0:
                return found

    return {
        "models": models,
        "policies": policies,
        "shards": shards,
        "open_requests": open_requests,
        "tee": parse_amount,
        "amount": format_amount,
    }


def _ids(count: int) -> range:
    return range(1, count + 1)


def _record_text(key: int, record: Any) -> str:
    names = [each.name for each in fields(record)]
    width = max(map(len, names))
    statuses = RequestStatus if "requester" in names else ShardStatus
    lines = (
        f"  {name:<{width}}  {_value_text(name, getattr(record, name), statuses)}" for name in names
    )
    return "\n".join([f"{key}:", *lines])


def _value_text(name: str, value: Any, statuses: type[RequestStatus | ShardStatus]) -> str:
    """The contract's value, and what it means to people."""
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if name in TIMES:
        return f"{value}  {format_time(value)}"
    if name in AMOUNTS:
        return f"{value}  {format_amount(value)}"
    if name == "status":
        return f"{value}  {statuses(value).name}"
    return str(value)
