# SPDX-License-Identifier: Apache-2.0
"""Who judges quotes: TeeTee's own contract, or an adapter to Automata's.

The deployment file does not say which. The chain does: only the adapter has `AUTOMATA()`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from ape.utils import ManagerAccessMixin
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.address import to_checksum_address

from administration.chain.networks import Network
from administration.chain.transactions import simulate
from administration.errors import TermsInvalid
from administration.option_types import ADDRESS
from teetee.chain.contract_errors import ContractRejected
from teetee.chain.errors import NoContract

TEETEE, AUTOMATA = "teetee", "automata"
# Automata's AutomataDcapAttestationFee, version 1.1.
AUTOMATA_AT = {"base-sepolia": "0xaDdeC7e85c2182202b66E331f2a4A0bBB2cEEa1F"}

_AUTOMATA = function_signature_to_4byte_selector("AUTOMATA()")
_NOBODY = "0x" + "00" * 20


@dataclass(frozen=True)
class Verifier:
    """Which contract is to be deployed; `automata`: whom it asks, None: TeeTee's asks nobody."""

    automata: str | None = None

    @property
    def contract(self) -> str:
        """Its name."""
        return "DcapVerifier" if self.automata is None else "AutomataVerifier"

    def arguments(self, certificates: object) -> tuple[object, ...]:
        """Of its constructor."""
        return (certificates,) if self.automata is None else (self.automata, certificates)


def verifier_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--verifier` and `--automata`."""
    known = ", ".join(f"on {network} {address}" for network, address in AUTOMATA_AT.items())
    command = click.option(
        "--automata",
        type=ADDRESS,
        help="Automata's contract, for --verifier automata.  "
        f"[default: {known}; elsewhere it must be said]",
    )(command)
    return click.option(
        "--verifier",
        type=click.Choice([TEETEE, AUTOMATA]),
        default=TEETEE,
        show_default=True,
        help="Who judges quotes: TeeTee's contract with collateral that anyone brings, or "
        "Automata's with its own, through an adapter. It cannot be changed later.",
    )(command)


def verifier_for(network: Network, kind: str, automata: str | None) -> Verifier:
    """What the options mean on that network. Raises `TermsInvalid`, `NoContract`."""
    if kind == TEETEE:
        if automata is not None:
            raise TermsInvalid("automata", "is for --verifier automata alone")
        return Verifier()
    address = automata or AUTOMATA_AT.get(network.terms_of)
    if address is None:
        raise TermsInvalid("automata", f"has to be said on {network.name} for --verifier automata")
    if not ManagerAccessMixin.provider.get_code(address):
        raise NoContract("Automata's contract", address)
    return Verifier(address)


def automata_behind(verifier: str) -> str | None:
    """Whom a deployed verifier asks; None: it is TeeTee's own. Raises `RpcRefused`."""
    try:
        answer = simulate(_NOBODY, verifier, _AUTOMATA)
    except ContractRejected:
        return None  # it has no such function
    return str(to_checksum_address(answer[-20:])) if len(answer) == 32 else None
