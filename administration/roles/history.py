# SPDX-License-Identifier: Apache-2.0
"""Read from the AccessManager's events: holders of roles, and announced operations."""

from dataclasses import dataclass
from typing import Any

from ape.api import ProviderAPI
from eth_utils.conversions import to_hex

from administration.chain.contracts import Contracts
from administration.chain.event_logs import event_logs
from administration.errors import OperationUnknown
from administration.policy.current_policy import policy_of
from administration.policy.fields import changes
from teetee.chain.types.policies import AttestationPolicy

POLICY_FUNCTIONS = ("tightenPolicy", "setPolicy")


@dataclass(frozen=True)
class Membership:
    """A role that an account holds; `delay` is its notice in seconds."""

    role: int
    account: str
    delay: int


@dataclass(frozen=True)
class Announcement:
    """An operation that is scheduled and not done."""

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
                function = signature.split("(")[0]
                if function in POLICY_FUNCTIONS:
                    return f"{function}({_policy_text(contracts, *values.values())})"
                shown = ", ".join(f"{name}={_text(value)}" for name, value in values.items())
                return f"{function}({shown})"
        return to_hex(self.data)


def members(provider: ProviderAPI, contracts: Contracts) -> list[Membership]:
    """The present holders of all roles."""
    manager = contracts.access_manager
    granted = {
        (int(log.roleId), str(log.account))
        for log in event_logs(provider, contracts, manager, manager.RoleGranted)
    }
    found = []
    for role, account in sorted(granted):
        is_member, delay = manager.hasRole(role, account)
        if is_member:
            found.append(Membership(role, account, int(delay)))
    return found


def announcements(provider: ProviderAPI, contracts: Contracts) -> list[Announcement]:
    """Operations that are scheduled and not done, cancelled or expired; earliest first."""
    manager = contracts.access_manager
    latest = {
        bytes(log.operationId): log
        for log in event_logs(provider, contracts, manager, manager.OperationScheduled)
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
    """By its operation id, 32 bytes. Raises `OperationUnknown`."""
    for found in announcements(provider, contracts):
        if found.operation == operation:
            return found
    raise OperationUnknown(to_hex(operation))


def _policy_text(contracts: Contracts, model_id: int, stored: Any) -> str:
    """The difference to the present policy, which may have changed since the announcement."""
    present = policy_of(contracts.registry, model_id)
    found = [str(change) for change in changes(present, AttestationPolicy.from_members(stored))]
    return f"modelId={model_id}; {'; '.join(found) or 'changes nothing'}"


def _text(value: object) -> str:
    return to_hex(value) if isinstance(value, bytes) else str(value)
