# SPDX-License-Identifier: Apache-2.0
"""What the AccessManager's events tell: who holds which role, what is announced."""

from dataclasses import dataclass
from typing import Any

from ape.api import ProviderAPI
from eth_utils.conversions import to_hex

from administration.chain.contracts import Contracts
from administration.chain.event_logs import event_logs
from administration.errors import OperationUnknown
from administration.policy.fields import changes
from administration.policy.models import policy_of
from teetee.chain.types.policies import AttestationPolicy

POLICY_ACTS = ("tightenPolicy", "setPolicy")


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
                function = signature.split("(")[0]
                if function in POLICY_ACTS:
                    return f"{function}({_policy_text(contracts, *values.values())})"
                shown = ", ".join(f"{name}={_text(value)}" for name, value in values.items())
                return f"{function}({shown})"
        return to_hex(self.data)


def members(provider: ProviderAPI, contracts: Contracts) -> list[Membership]:
    """Everybody who was ever granted a role, and still has it."""
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
    """What was scheduled, and is neither done nor cancelled nor expired; earliest first."""
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
    """One of them. Raises `OperationUnknown`."""
    for found in announcements(provider, contracts):
        if found.operation == operation:
            return found
    raise OperationUnknown(to_hex(operation))


def _policy_text(contracts: Contracts, model_id: int, stored: Any) -> str:
    """What it would change by now: a policy is announced whole, and others act meanwhile."""
    present = policy_of(contracts.registry, model_id)
    found = [str(change) for change in changes(present, AttestationPolicy.of_members(stored))]
    return f"modelId={model_id}; {'; '.join(found) or 'changes nothing'}"


def _text(value: object) -> str:
    return to_hex(value) if isinstance(value, bytes) else str(value)
