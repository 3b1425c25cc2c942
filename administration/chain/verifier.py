# SPDX-License-Identifier: Apache-2.0
"""Which verifier is deployed: TeeTee's own contract, or an adapter to Automata's.

The deployment file does not say. The chain does: only the adapter has `AUTOMATA()`.
"""

from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.address import to_checksum_address

from administration.chain.transactions import simulate
from teetee.chain.contract_errors import ContractRejected

_AUTOMATA = function_signature_to_4byte_selector("AUTOMATA()")
_ZERO_ADDRESS = "0x" + "00" * 20


def automata_behind(verifier: str) -> str | None:
    """Automata's contract that the verifier asks; None for TeeTee's own. Raises `RpcRefused`."""
    try:
        answer = simulate(_ZERO_ADDRESS, verifier, _AUTOMATA)
    except ContractRejected:
        return None  # it has no such function
    return str(to_checksum_address(answer[-20:])) if len(answer) == 32 else None
