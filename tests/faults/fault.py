# SPDX-License-Identifier: Apache-2.0
"""What a fault is: a kind, a target, a moment in its batch, and how long it lasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Kind(Enum):
    """The kinds of faults, with the word that `--kinds` takes."""

    KILL = "kill"
    """kill -9 of an enclave's process; it starts again."""
    REBOOT = "reboot"
    """The same, and its keys are gone with the machine's memory: its host has to `rekey`."""
    FREEZE = "freeze"
    """SIGSTOP and SIGCONT of an enclave, the chain, a guest agent or the collateral service."""
    CUT = "cut"
    """An enclave's port: connections are closed, new ones refused."""
    DELAY = "delay"
    """An enclave's port: bytes arrive late, or not before the fault ends."""
    RPC_ERROR = "rpc-error"
    """Nodes fail: HTTP errors, JSON-RPC errors, garbage, silence, closed connections."""
    RPC_LIMIT = "rpc-429"
    """Nodes ask for fewer calls."""
    RPC_LAG = "rpc-lag"
    """Nodes show the chain as it was some blocks before."""
    RPC_LIE = "rpc-lie"
    """One node of three lies: about state, blocks, events, receipts or the chain's id."""
    REORG = "reorg"
    """The last 1 to 64 blocks are replaced."""
    EVICTION = "eviction"
    """A shard's platform is denied and the shard evicted; later readmitted and renewed."""
    DISK = "disk"
    """An enclave's writes to its disk fail, or its journal is locked."""
    CLOCK = "clock"
    """An enclave's wall clock is set, by seconds to a year and more."""
    BURST = "burst"
    """Up to 300 requests at once."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault."""

    number: int
    kind: Kind
    at: float
    """Seconds after the batch begins."""
    seconds: float
    """How long it lasts; 0 for what happens in a moment."""
    target: str
    """An enclave, `chain`, `collateral`, `machine:` and an enclave, or the numbers of nodes."""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> float:
        """Seconds after the batch begins."""
        return self.at + self.seconds

    def to_json(self) -> dict[str, Any]:
        """For the log of a run."""
        return {
            "number": self.number,
            "kind": self.kind.value,
            "at": round(self.at, 3),
            "seconds": round(self.seconds, 3),
            "target": self.target,
            **self.details,
        }
