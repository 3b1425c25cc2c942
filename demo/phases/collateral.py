# SPDX-License-Identifier: Apache-2.0
"""Brings the chain what Intel would say about the machines, before any of them is enrolled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from demo.cli import TeeTeeCommand
from demo.phases.machines import Machine, kind_of
from demo.wallets import Wallet


def bring_collateral(
    command: TeeTeeCommand, caretaker: Wallet, machines: Iterable[Machine]
) -> dict[str, Any]:
    """By a wallet that has no role: anyone may. What `teetee collateral sync` said."""
    kinds = sorted({kind_of(machine) for machine in machines})
    named = [argument for kind in kinds for argument in ("--fmspc", kind)]
    said: dict[str, Any] = command.call("caretaker", "collateral", "sync", *named, wallet=caretaker)
    return said
