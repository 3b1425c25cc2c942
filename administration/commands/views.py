# SPDX-License-Identifier: Apache-2.0
"""`ape run admin status`, `roles`, `policy`, `pending`: the public state of a deployment."""

from ape.api import ProviderAPI
from rich.console import Console

from administration.chain.contracts import Contracts
from administration.chain.networks import Network
from administration.commands.group import model_option, view
from administration.output.policy_view import show_policy
from administration.output.tables import show_announcements, show_roles, show_status
from administration.roles.history import announcements, members


@view()
def status(_provider: ProviderAPI, network: Network, contracts: Contracts) -> None:
    """Show requests, money, models and shards."""
    show_status(Console(), network, contracts)


@view(model_option)
def policy(provider: ProviderAPI, _network: Network, contracts: Contracts, model_id: int) -> None:
    """Show a model's policy, and the images and platforms on its lists.

    Platforms: those denied, those listed, and those that the model's shards run on. Their ids are
    as `deny-platform` and `list-platform` take them.
    """
    show_policy(Console(), provider, contracts, model_id)


@view()
def roles(provider: ProviderAPI, _network: Network, contracts: Contracts) -> None:
    """Show the holders of roles, and the notice that each has to give."""
    show_roles(Console(), members(provider, contracts))


@view()
def pending(provider: ProviderAPI, _network: Network, contracts: Contracts) -> None:
    """Show the changes that are announced and not done."""
    now = int(provider.get_block("pending").timestamp)
    show_announcements(Console(), contracts, announcements(provider, contracts), now)
