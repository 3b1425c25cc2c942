# SPDX-License-Identifier: Apache-2.0
"""Every transaction on the local chain, with its function and gas, read from the blocks."""

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
class LedgerEntry:
    """One transaction. `to` is the name of a deployed contract, or empty."""

    name: str
    to: str
    sender: str
    gas: int
    succeeded: bool
    transaction: str


@dataclass(frozen=True)
class Ledger:
    """All transactions, oldest first."""

    entries: tuple[LedgerEntry, ...]

    def gas_by_step(self) -> dict[str, int]:
        """Gas of each kind of step: the sum of deployments, the maximum of the others."""
        steps: dict[str, int] = {}
        for entry in self.entries:
            if entry.name == DEPLOY:
                steps[DEPLOY] = steps.get(DEPLOY, 0) + entry.gas
            elif entry.to:
                step = _step(entry.name)
                steps[step] = max(steps.get(step, 0), entry.gas)
        return steps

    def named(self, step: str) -> list[LedgerEntry]:
        """The transactions of one kind of step."""
        return [entry for entry in self.entries if _step(entry.name) == step]

    def as_json(self) -> list[dict[str, Any]]:
        """For the demo's report."""
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
) -> LedgerEntry:
    target = transaction.get("to")
    if target is None:
        created = to_checksum_address(receipt["contractAddress"])
        name, to = DEPLOY, contracts.get(created, "")
    elif (data := transaction["input"]) in ("", "0x"):
        name, to = SEND, ""
    elif (to := contracts.get(to_checksum_address(target), "")) == "":
        name = DEPLOY  # the contract that sets up the roles
    else:
        name = functions.get(data[:10], data[:10])
    return LedgerEntry(
        name=name,
        to=to,
        sender=to_checksum_address(transaction["from"]),
        gas=int(receipt["gasUsed"], 16),
        succeeded=int(receipt["status"], 16) == 1,
        transaction=transaction["hash"],
    )


def _step(name: str) -> str:
    """All ways to request are one step, such as `requestWithPermit`."""
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
    """Selector → name, over all contracts; equal selectors have equal signatures."""
    return {
        "0x" + function_abi_to_4byte_selector(entry).hex(): entry["name"]  # type: ignore[arg-type]
        for entry in _all_functions(abi_names())
    }


def _all_functions(contracts: Sequence[str]) -> Iterable[Mapping[str, Any]]:
    for contract in contracts:
        yield from (entry for entry in load_abi(contract) if entry["type"] == "function")
