# SPDX-License-Identifier: Apache-2.0
"""Restricted acts through the AccessManager: at once where the account may; else announced first,
and done by the same command once the notice is over.
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
from administration.roles.holders import ROLE_NAMES

LONGEST_SLEEP = 5.0


@dataclass(frozen=True)
class Act:
    """One call of a restricted function."""

    target: ContractInstance
    function: str
    arguments: tuple[Any, ...] = ()

    @property
    def data(self) -> bytes:
        """Its calldata."""
        return call_data(self.target, self.function, *self.arguments)


@dataclass(frozen=True)
class Outcome:
    """What came of it: done, or announced and possible from `ready_at` (Unix seconds) on."""

    receipt: ReceiptAPI
    ready_at: int | None = None


@dataclass(frozen=True)
class Administration:
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
        self, act: Act, wait: bool = False, confirm: Callable[[], None] = lambda: None
    ) -> Outcome:
        """Do it, announce it, or do what was announced; with `wait`, the last two in one go.

        `confirm` is asked when the wait is over, and may raise: others act meanwhile.
        Raises `RoleMissing`, `NoticeNotOver`, `ContractRejected`.
        """
        manager, caller = self.manager, str(self.account.address)
        at_once, delay = manager.canCall(caller, act.target, act.data[:4])
        if at_once:
            return Outcome(send(self.account, act.target, act.function, *act.arguments))
        if delay == 0:
            role = manager.getTargetFunctionRole(act.target, act.data[:4])
            raise RoleMissing(caller, act.function, ROLE_NAMES.get(role, str(role)))
        operation = manager.hashOperation(caller, act.target, act.data)
        ready_at = int(manager.getSchedule(operation))
        if ready_at == 0:
            # when 0: as soon as the delay allows
            receipt = send(self.account, manager, "schedule", act.target, act.data, 0)
            ready_at = int(manager.getSchedule(operation))
            if not wait:
                return Outcome(receipt, ready_at)
        if wait:
            self._sleep_until(ready_at)
            confirm()
        elif self.now() < ready_at:
            raise NoticeNotOver(act.function, ready_at)
        return Outcome(send(self.account, act.target, act.function, *act.arguments))

    def now(self) -> int:
        """The time of the next block, Unix seconds."""
        return int(self.provider.get_block("pending").timestamp)

    def _sleep_until(self, ready_at: int) -> None:
        while (left := ready_at - self.now()) > 0:
            time.sleep(min(left, LONGEST_SLEEP))
