# SPDX-License-Identifier: Apache-2.0
"""The lab's PCCS as Intel, and the caretaker who brings its collateral to the chain."""

from __future__ import annotations

from typing import Any

import requests

from tee_simulator.collateral.pccs import CONDITIONS_PATH
from teetee.chain.types.shards import ShardStatus
from teetee.collateral.platform_kinds import platform_kinds_of_shards
from teetee.collateral.rechecks import recheck_shards
from teetee.collateral.synchronization import SynchronizedItem
from tests.teetee.client.lab import Lab


class Intel:
    """The lab's PCCS and its conditions, restored after the test."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.account = lab.world.account("caretaker", tokens=0)

    def says(self, **conditions: Any) -> None:
        answer = requests.put(self.lab.pccs_url + CONDITIONS_PATH, json=conditions, timeout=10)
        assert answer.status_code == 200, answer.text

    def synchronize(self) -> list[SynchronizedItem]:
        contracts = self.lab.contracts()
        kinds = platform_kinds_of_shards(contracts.registry)
        return list(self.lab.synchronization(self.account).run(kinds))

    def recheck(self) -> dict[int, ShardStatus]:
        found = recheck_shards(self.lab.contracts().registry, self.lab.world.sender(self.account))
        outcomes = list(found)
        assert [each.error for each in outcomes] == [None] * len(outcomes)
        return {int(each.shard_id): each.after for each in outcomes}

    def status(self, shard_id: int) -> ShardStatus:
        return self.lab.world.registry.shard(shard_id).status  # type: ignore[arg-type]


def leaf_serial(lab: Lab, index: int) -> str:
    return f"{lab.enclaves[index].guest.machine.pck.serial_number:x}"
