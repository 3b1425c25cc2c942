# SPDX-License-Identifier: Apache-2.0
"""A Base-like chain on this machine: anvil with Base's rules for gas and its precompiles.

While it is furnished, a block comes with each transaction: that is quicker, and ape takes an anvil
with a block time for one whose blocks are mined by hand. Afterwards blocks come every second.
"""

from __future__ import annotations

import re

from demo.errors import ChainRefused
from demo.local_chain import LocalChain
from demo.plan import CHAIN_ID, ROOT
from demo.processes.environment import environment
from demo.processes.ports import LOOPBACK, claimed_port
from demo.processes.process_group import Argument
from demo.processes.supervisor import Supervisor

START_SECONDS = 60.0
BLOCK_SECONDS = 1
MOST_GAS = 1 << 24
LISTENS = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
ANVIL = ROOT / "toolchain" / "anvil"


def start_chain(supervisor: Supervisor, port: int | None) -> LocalChain:
    """Raises `PortInUse`, `ProcessEnded`, `ProcessSilent`."""
    chosen = claimed_port(port)
    argv: list[Argument] = [
        *(ANVIL, "--host", LOOPBACK, "--port", str(chosen), "--chain-id", str(CHAIN_ID)),
        # Base takes no transaction above 2^24 gas; ape offers as much as a whole block has.
        *("--hardfork", "osaka", "--enable-tx-gas-limit", "--gas-limit", str(MOST_GAS)),
        # No ready-made accounts: anvil would print their keys into the log.
        *("--accounts", "0"),
    ]
    service = supervisor.start("chain", argv, environment())
    service.wait_for(lambda line: LISTENS.search(line) is not None, START_SECONDS, "listening")
    chain = LocalChain(chosen)
    if chain.chain_id() != CHAIN_ID:
        raise ChainRefused("eth_chainId", f"it is chain {chain.chain_id()}, not {CHAIN_ID}")
    return chain


def begin_block_time(chain: LocalChain) -> None:
    """From now on blocks come by the clock, with or without transactions."""
    chain.call("anvil_setIntervalMining", BLOCK_SECONDS)
