# SPDX-License-Identifier: Apache-2.0
"""The verifier of quotes to deploy: TeeTee's own contract, or an adapter to Automata's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from ape.utils import ManagerAccessMixin

from administration.chain.networks import Network
from administration.errors import TermsInvalid
from administration.option_types import ADDRESS
from teetee.chain.errors import NoContract

TEETEE, AUTOMATA = "teetee", "automata"
# Automata's AutomataDcapAttestationFee, version 1.1.
AUTOMATA_AT = {"base-sepolia": "0xaDdeC7e85c2182202b66E331f2a4A0bBB2cEEa1F"}


@dataclass(frozen=True)
class VerifierChoice:
    """The contract to deploy. `automata`: the contract that an adapter asks; None: no adapter."""

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
        f"[default: {known}; required on other networks]",
    )(command)
    return click.option(
        "--verifier",
        type=click.Choice([TEETEE, AUTOMATA]),
        default=TEETEE,
        show_default=True,
        help="The contract that verifies quotes: TeeTee's, with collateral that anyone uploads, or "
        "Automata's with its own, through an adapter. It cannot be changed later.",
    )(command)


def verifier_for(network: Network, kind: str, automata: str | None) -> VerifierChoice:
    """The choice that the options make on that network. Raises `TermsInvalid`, `NoContract`."""
    if kind == TEETEE:
        if automata is not None:
            raise TermsInvalid("automata", "is for --verifier automata only")
        return VerifierChoice()
    address = automata or AUTOMATA_AT.get(network.terms_of)
    if address is None:
        raise TermsInvalid("automata", f"is required on {network.name} for --verifier automata")
    if not ManagerAccessMixin.provider.get_code(address):
        raise NoContract("Automata's contract", address)
    return VerifierChoice(address)
