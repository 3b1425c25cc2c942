"""What the AccessManager's events tell: who holds which role, what is announced."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ape.api import ProviderAPI
from ape.contracts import ContractEvent, ContractInstance
from eth_utils.abi import event_abi_to_log_topic
from eth_utils.conversions import to_hex

from scripts._contracts import Contracts
from scripts._errors import OperationUnknown

# What most nodes give in one answer.
BLOCKS_PER_PAGE = 10_000


@dataclass(frozen=True)
class Membership:
    """A role of the AccessManager that an account holds now; `delay` in seconds."""

    role: int
    account: str
    delay: int


@dataclass(frozen=True)
class Announcement:
    """An operation which waits for its time."""

    operation: bytes
    caller: str
    target: str
    data: bytes
    ready_at: int
    """Unix seconds."""

    def described(self, contracts: Contracts) -> str:
        """`raisePrices(modelId=1, …)`."""
        for contract in (contracts.registry, contracts.escrow, contracts.access_manager):
            if contract.address == self.target:
                signature, values = contract.decode_input(self.data)
                shown = ", ".join(f"{name}={_text(value)}" for name, value in values.items())
                return f"{signature.split('(')[0]}({shown})"
        return to_hex(self.data)


def members(provider: ProviderAPI, contracts: Contracts) -> list[Membership]:
    """Everybody who was ever granted a role, and still has it."""
    manager = contracts.access_manager
    granted = {
        (int(log.roleId), str(log.account))
        for log in _logs(provider, contracts, manager.RoleGranted)
    }
    found = []
    for role, account in sorted(granted):
        is_member, delay = manager.hasRole(role, account)
        if is_member:
            found.append(Membership(role, account, int(delay)))
    return found


def announcements(provider: ProviderAPI, contracts: Contracts) -> list[Announcement]:
    """What was scheduled, and is neither done nor cancelled nor expired; earliest first."""
    manager = contracts.access_manager
    latest = {
        bytes(log.operationId): log
        for log in _logs(provider, contracts, manager.OperationScheduled)
    }
    found = [
        Announcement(
            operation=operation,
            caller=str(log.caller),
            target=str(log.target),
            data=bytes(log.data),
            ready_at=ready_at,
        )
        for operation, log in latest.items()
        if (ready_at := int(manager.getSchedule(operation)))
    ]
    return sorted(found, key=lambda announcement: announcement.ready_at)


def announcement(provider: ProviderAPI, contracts: Contracts, operation: bytes) -> Announcement:
    """One of them. Raises `OperationUnknown`."""
    for found in announcements(provider, contracts):
        if found.operation == operation:
            return found
    raise OperationUnknown(to_hex(operation))


def _logs(provider: ProviderAPI, contracts: Contracts, event: ContractEvent) -> Iterator[Any]:
    """Since the deployment, oldest first."""
    manager: ContractInstance = contracts.access_manager
    head = int(provider.get_block("latest").number)
    topic = to_hex(event_abi_to_log_topic(event.abi.model_dump(mode="json", by_alias=True)))
    for first in range(contracts.deployment.deployed_at_block, head + 1, BLOCKS_PER_PAGE):
        raw = provider.web3.eth.get_logs(
            {
                "address": manager.address,
                "fromBlock": first,
                "toBlock": min(first + BLOCKS_PER_PAGE - 1, head),
                "topics": [topic],
            }
        )
        yield from provider.network.ecosystem.decode_logs(raw, event.abi)


def _text(value: object) -> str:
    return to_hex(value) if isinstance(value, bytes) else str(value)
