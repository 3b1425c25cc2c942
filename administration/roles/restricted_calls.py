# SPDX-License-Identifier: Apache-2.0
"""Restricted calls through the AccessManager: immediate where the account may; otherwise announced
first, and done by the same command once the notice is over.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ape.api import AccountAPI, ProviderAPI, ReceiptAPI
from ape.contracts import ContractInstance

from administration.chain.contracts import Contracts
from administration.chain.networks import Network
from administration.chain.transactions import call_data, send
from administration.errors import NoticeNotOver, RoleMissing
from administration.roles.role_ids import ROLE_NAMES

MAX_SLEEP_SECONDS = 5.0


@dataclass(frozen=True)
class RestrictedCall:
    """One call of a function that needs a role."""

    target: ContractInstance
    function: str
    arguments: tuple[Any, ...] = ()

    @property
    def data(self) -> bytes:
        """Its calldata."""
        return call_data(self.target, self.function, *self.arguments)


@dataclass(frozen=True)
class Outcome:
    """Done; or announced, and possible from `ready_at` (Unix seconds) on."""

    receipt: ReceiptAPI
    ready_at: int | None = None


@dataclass(frozen=True)
class Administrator:
    """One account at one deployment."""

    contracts: Contracts
    account: AccountAPI
    provider: ProviderAPI
    network: Network

    @property
    def registry(self) -> ContractInstance:
        """ShardRegistry."""
        return self.contracts.registry

    @property
    def escrow(self) -> ContractInstance:
        """InferenceEscrow."""
        return self.contracts.escrow

    @property
    def manager(self) -> ContractInstance:
        """AccessManager."""
        return self.contracts.access_manager

    def perform(
        self, call: RestrictedCall, wait: bool = False, confirm: Callable[[], None] = lambda: None
    ) -> Outcome:
        """Do it, announce it, or do what was announced; with `wait`, announce it and then do it.

        `confirm` runs after the wait and may raise: the state may have changed meanwhile.
        Raises `RoleMissing`, `NoticeNotOver`, `ContractRejected`.
        """
        manager, caller = self.manager, str(self.account.address)
        is_immediate, delay = manager.canCall(caller, call.target, call.data[:4])
        if is_immediate:
            return Outcome(send(self.account, call.target, call.function, *call.arguments))
        if delay == 0:
            role = manager.getTargetFunctionRole(call.target, call.data[:4])
            raise RoleMissing(caller, call.function, ROLE_NAMES.get(role, str(role)))
        operation = manager.hashOperation(caller, call.target, call.data)
        ready_at = int(manager.getSchedule(operation))
        if ready_at == 0:
            # 0 as the time: as soon as the delay allows
            receipt = send(self.account, manager, "schedule", call.target, call.data, 0)
            ready_at = int(manager.getSchedule(operation))
            if not wait:
                return Outcome(receipt, ready_at)
        if wait:
            self._sleep_until(ready_at)
            confirm()
        elif self.now() < ready_at:
            raise NoticeNotOver(call.function, ready_at)
        return Outcome(send(self.account, call.target, call.function, *call.arguments))

    def now(self) -> int:
        """The time of the next block, Unix seconds."""
        return int(self.provider.get_block("pending").timestamp)

    def _sleep_until(self, ready_at: int) -> None:
        while (left := ready_at - self.now()) > 0:
            time.sleep(min(left, MAX_SLEEP_SECONDS))
