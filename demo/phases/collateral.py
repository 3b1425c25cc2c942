# SPDX-License-Identifier: Apache-2.0
"""Uploads the collateral of the machines to the chain, before any of them is enrolled."""

from __future__ import annotations

from collections.abc import Iterable

from demo.cli import RunningCommand, TeeTeeCommand
from demo.phases.machines import MachineProcess, kind_of
from demo.wallets import Wallet


def begin_collateral_upload(
    command: TeeTeeCommand, caretaker: Wallet, machines: Iterable[MachineProcess]
) -> RunningCommand:
    """`teetee collateral sync`, by a wallet without a role: anyone may."""
    kinds = sorted({kind_of(machine) for machine in machines})
    named = [argument for kind in kinds for argument in ("--fmspc", kind)]
    return command.begin("caretaker", "collateral", "sync", *named, wallet=caretaker)
