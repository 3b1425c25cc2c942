# SPDX-License-Identifier: Apache-2.0
"""A contract's events since the deployment. They list candidates; contract state decides."""

from collections.abc import Iterator
from typing import Any

from ape.api import ProviderAPI
from ape.contracts import ContractEvent, ContractInstance
from eth_utils.abi import event_abi_to_log_topic
from eth_utils.conversions import to_hex

from administration.chain.contracts import Contracts

# The largest range that most nodes answer.
BLOCKS_PER_PAGE = 10_000


def event_logs(
    provider: ProviderAPI,
    contracts: Contracts,
    contract: ContractInstance,
    event: ContractEvent,
    topics: tuple[str | None, ...] = (),
) -> Iterator[Any]:
    """Oldest first. `topics` filters by the indexed values; None matches any value."""
    head = int(provider.get_block("latest").number)
    name = to_hex(event_abi_to_log_topic(event.abi.model_dump(mode="json", by_alias=True)))
    for first in range(contracts.deployment.deployed_at_block, head + 1, BLOCKS_PER_PAGE):
        raw = provider.web3.eth.get_logs(
            {
                "address": contract.address,
                "fromBlock": first,
                "toBlock": min(first + BLOCKS_PER_PAGE - 1, head),
                "topics": [name, *topics],
            }
        )
        yield from provider.network.ecosystem.decode_logs(raw, event.abi)


def number_topic(number: int) -> str:
    """A number as an indexed value."""
    return f"0x{number:064x}"
