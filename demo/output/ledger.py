# SPDX-License-Identifier: Apache-2.0
"""Every transaction on the local chain by its name and price: read from the blocks themselves, so
that nothing which a program forgot to tell is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.abi import function_abi_to_4byte_selector
from eth_utils.address import to_checksum_address

from demo.local_chain import LocalChain
from teetee.chain.abi import abi_names, load_abi
from teetee.chain.deployment import Deployment

DEPLOY = "deploy"
SEND = "sendEther"


@dataclass(frozen=True)
class Entry:
    """One transaction. `to` is the name of one of the deployed contracts, or empty."""

    name: str
    to: str
    sender: str
    gas: int
    succeeded: bool
    transaction: str


@dataclass(frozen=True)
class Ledger:
    """All transactions, oldest first."""

    entries: tuple[Entry, ...]

    def gas_by_step(self) -> dict[str, int]:
        """Gas of each kind of step: deployments added up, of the others the dearest one."""
        steps: dict[str, int] = {}
        for entry in self.entries:
            if entry.name == DEPLOY:
                steps[DEPLOY] = steps.get(DEPLOY, 0) + entry.gas
            elif entry.to:
                step = _step(entry.name)
                steps[step] = max(steps.get(step, 0), entry.gas)
        return steps

    def named(self, step: str) -> list[Entry]:
        """The transactions of one kind of step."""
        return [entry for entry in self.entries if _step(entry.name) == step]

    def as_json(self) -> list[dict[str, Any]]:
        """The whole list."""
        return [
            {
                "name": entry.name,
                "contract": entry.to,
                "sender": entry.sender,
                "gas": entry.gas,
                "succeeded": entry.succeeded,
                "hash": entry.transaction,
            }
            for entry in self.entries
        ]


def read_ledger(chain: LocalChain, deployment: Deployment) -> Ledger:
    """From the genesis to the head. Raises `ChainRefused`."""
    contracts = _contracts(deployment)
    functions = _functions()
    entries = []
    for block in chain.blocks():
        for transaction in block["transactions"]:
            receipt = chain.call("eth_getTransactionReceipt", transaction["hash"])
            entries.append(_entry(transaction, receipt, contracts, functions))
    return Ledger(tuple(entries))


def _entry(
    transaction: Mapping[str, Any],
    receipt: Mapping[str, Any],
    contracts: Mapping[str, str],
    functions: Mapping[str, str],
) -> Entry:
    target = transaction.get("to")
    if target is None:
        created = to_checksum_address(receipt["contractAddress"])
        name, to = DEPLOY, contracts.get(created, "")
    elif (data := transaction["input"]) in ("", "0x"):
        name, to = SEND, ""
    elif (to := contracts.get(to_checksum_address(target), "")) == "":
        name = DEPLOY  # the contract that sets roles up, and is nobody's afterwards
    else:
        name = functions.get(data[:10], data[:10])
    return Entry(
        name=name,
        to=to,
        sender=to_checksum_address(transaction["from"]),
        gas=int(receipt["gasUsed"], 16),
        succeeded=int(receipt["status"], 16) == 1,
        transaction=transaction["hash"],
    )


def _step(name: str) -> str:
    """`requestWithPermit` is a way to request."""
    return "request" if name.startswith("request") else name


def _contracts(deployment: Deployment) -> dict[str, str]:
    return {
        deployment.token: "token",
        deployment.registry: "registry",
        deployment.escrow: "escrow",
        deployment.verifier: "verifier",
        deployment.certificates: "certificates",
        deployment.access_manager: "access manager",
    }


def _functions() -> dict[str, str]:
    """Selector → name, over all contracts: equal selectors have equal signatures."""
    return {
        "0x" + function_abi_to_4byte_selector(entry).hex(): entry["name"]  # type: ignore[arg-type]
        for entry in _all_functions(abi_names())
    }


def _all_functions(contracts: Sequence[str]) -> Iterable[Mapping[str, Any]]:
    for contract in contracts:
        yield from (entry for entry in load_abi(contract) if entry["type"] == "function")
