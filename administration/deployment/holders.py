# SPDX-License-Identifier: Apache-2.0
"""The accounts that get the roles and the treasury at deployment, and the notice of their roles."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from administration.chain.networks import Network
from administration.deployment.terms import DEFAULTS, require_promised_notice
from administration.errors import HolderNotNamed
from administration.option_types import ADDRESS
from administration.roles.role_ids import ADMIN, GUARDIAN, NOTICE_GIVER, PUBLISHER

# The network where the deployer must not get roles by default.
ALL_NAMED = "base-mainnet"

_MEANINGS = {
    "admin": "Grants and revokes roles, after --admin-delay. Use a multi-signature account.",
    "publisher": "Publishes models, lowers prices, resumes requests.",
    "notice_giver": "Allows images, raises prices, admits platforms and loosens policies, after "
    "--notice-delay.",
    "guardian": "Withdraws images, denies platforms, tightens policies, pauses requests, cancels "
    "announcements.",
    "treasury": "Receives the token's supply and the fees.",
}


@dataclass(frozen=True, kw_only=True)
class Holders:
    """Checksummed addresses. `treasury` is not a role: it receives the money."""

    admin: str
    publisher: str
    notice_giver: str
    guardian: str
    treasury: str

    @property
    def of_roles(self) -> dict[int, str]:
        """Role id → holder."""
        return {
            ADMIN: self.admin,
            PUBLISHER: self.publisher,
            NOTICE_GIVER: self.notice_giver,
            GUARDIAN: self.guardian,
        }


def holder_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each holder."""
    for name, meaning in reversed(_MEANINGS.items()):
        command = click.option(
            f"--{name.replace('_', '-')}",
            type=ADDRESS,
            help=f"{meaning}  [default: the deployer; required on {ALL_NAMED}]",
        )(command)
    return command


def holders_for(network: Network, deployer: str, given: dict[str, str | None]) -> Holders:
    """The named holders, else the deployer. Raises `HolderNotNamed`."""
    missing = [f"--{name.replace('_', '-')}" for name, address in given.items() if not address]
    if network.terms_of == ALL_NAMED and missing:
        raise HolderNotNamed(network.name, missing)
    return Holders(**{name: address or deployer for name, address in given.items()})


def notice_for(role: int, given: int | None, network: str) -> int:
    """Seconds of notice that a new holder of the role has to give.

    Raises `TermsInvalid` for less than users are promised.
    """
    promised = {ADMIN: DEFAULTS[network].admin_delay, NOTICE_GIVER: DEFAULTS[network].notice_delay}
    notice = promised.get(role, 0) if given is None else given
    if role in promised:
        require_promised_notice("notice", notice, network)
    return notice
