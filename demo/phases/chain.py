"""A Base-like chain on this machine: anvil with Base's rules for gas and its precompiles.

Blocks come every second, and at once when there is a transaction: what takes seconds on Base takes
none here.
"""

from __future__ import annotations

import re

from demo.environment import environment
from demo.errors import ChainRefused, Unprepared
from demo.local_chain import LocalChain
from demo.plan import CHAIN_ID, ROOT
from demo.ports import LOOPBACK, claimed_port
from demo.process_group import Argument
from demo.service import Service
from demo.supervisor import Supervisor

START_SECONDS = 60.0
LISTENS = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
ANVIL = ROOT / "toolchain" / "anvil"


def start_chain(supervisor: Supervisor, port: int | None) -> tuple[LocalChain, Service]:
    """Raises `PortInUse`, `ProcessEnded`, `ProcessSilent`, `Unprepared`."""
    if not (ROOT / "node_modules").is_dir():
        raise Unprepared("anvil is not installed (node_modules is missing)")
    chosen = claimed_port(port)
    argv: list[Argument] = [
        *(ANVIL, "--host", LOOPBACK, "--port", str(chosen), "--chain-id", str(CHAIN_ID)),
        *("--block-time", "1", "--mixed-mining", "--hardfork", "osaka", "--enable-tx-gas-limit"),
        # No ready-made accounts: anvil would print their keys into the log.
        *("--accounts", "0"),
    ]
    service = supervisor.start("chain", argv, environment())
    service.wait_for(lambda line: LISTENS.search(line) is not None, START_SECONDS, "listening")
    chain = LocalChain(f"http://{LOOPBACK}:{chosen}")
    if chain.chain_id() != CHAIN_ID:
        raise ChainRefused("eth_chainId", f"it is chain {chain.chain_id()}, not {CHAIN_ID}")
    return chain, service
