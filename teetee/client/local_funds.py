# SPDX-License-Identifier: Apache-2.0
"""ETH for wallets on a local test chain: anvil can set any balance."""

from __future__ import annotations

from eth_typing import HexStr
from web3 import Web3
from web3.types import RPCEndpoint

from teetee.chain.connection import translate_errors
from teetee.client.contracts import Contracts

ANVIL_CHAIN_ID = 31337
LOW_WEI, FULL_WEI = 10**18, 10 * 10**18


def fund_on_anvil(contracts: Contracts, address: str) -> int | None:
    """Set the balance to 10 ETH if it is below 1 ETH; return it in wei, or None if it stays.

    Does nothing on any chain but anvil's own. Raises the chain's errors.
    """
    web3 = contracts.connection.web3
    if contracts.deployment.chain_id != ANVIL_CHAIN_ID or contracts.ether_of(address) >= LOW_WEI:
        return None
    with translate_errors("web3_clientVersion", "latest"):
        if not web3.client_version.lower().startswith("anvil/"):
            return None
    with translate_errors("anvil_setBalance", "latest"):
        account = Web3.to_checksum_address(address)
        web3.provider.make_request(
            RPCEndpoint("anvil_setBalance"), [account, HexStr(hex(FULL_WEI))]
        )
    return contracts.ether_of(address)
