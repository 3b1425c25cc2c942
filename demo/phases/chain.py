# SPDX-License-Identifier: Apache-2.0
"""A local chain with Base's rules: anvil with Base's gas limits and precompiles.

During setup, each transaction gets its own block immediately: that is faster, and ape does not wait
for the blocks of an anvil with a block time. Afterwards there is a block every second.
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
# Base's limit for one transaction.
MAX_TRANSACTION_GAS = 1 << 24
LISTENS = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
ANVIL = ROOT / "toolchain" / "anvil"


def start_chain(supervisor: Supervisor, port: int | None) -> LocalChain:
    """Raises `PortInUse`, `ProcessEnded`, `ProcessSilent`."""
    chosen = claimed_port(port)
    argv: list[Argument] = [
        *(ANVIL, "--host", LOOPBACK, "--port", str(chosen), "--chain-id", str(CHAIN_ID)),
        # ape offers as much gas as a block has, so the block gets the transaction's limit too.
        *("--hardfork", "osaka", "--enable-tx-gas-limit"),
        *("--gas-limit", str(MAX_TRANSACTION_GAS)),
        # No ready-made accounts: anvil would log their keys.
        *("--accounts", "0"),
    ]
    service = supervisor.start("chain", argv, environment())
    service.wait_for(lambda line: LISTENS.search(line) is not None, START_SECONDS, "listening")
    chain = LocalChain(chosen)
    if chain.chain_id() != CHAIN_ID:
        raise ChainRefused("eth_chainId", f"it is chain {chain.chain_id()}, not {CHAIN_ID}")
    return chain


def begin_block_time(chain: LocalChain) -> None:
    """From now on, mine a block every second, with or without transactions."""
    chain.call("anvil_setIntervalMining", BLOCK_SECONDS)
