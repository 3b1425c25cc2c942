# SPDX-License-Identifier: Apache-2.0
"""A model's policy and the lists beside it, for people."""

from collections.abc import Iterator

from ape.api import ProviderAPI
from rich.console import Console
from rich.table import Table

from administration.chain.contracts import Contracts
from administration.policy.current_policy import policy_of
from administration.policy.fields import described
from administration.policy.lists import Platforms, allowed_measurements, platforms
from teetee.chain.types.policies import AttestationPolicy


def show_policy(
    console: Console, provider: ProviderAPI, contracts: Contracts, model_id: int
) -> None:
    """The policy, then the lists beside it."""
    registry = contracts.registry
    policy = policy_of(registry, model_id)
    title = f"Policy of model {model_id}, {registry.model(model_id).name}"
    table = Table(show_header=False, title=title)
    for label, value in described(policy):
        table.add_row(label, value)
    console.print(table)
    found = platforms(provider, contracts, model_id)
    measurements = allowed_measurements(provider, contracts, model_id)
    # No columns: the 66 characters of an id must stay on one line, to be copied.
    for line in (
        *_list("Allowed measurements", measurements),
        *_list("Denied platforms, for all models", found.denied),
        *_list(_listed_title(policy), found.listed),
        *_used(policy, found),
    ):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _listed_title(policy: AttestationPolicy) -> str:
    meaning = "no others count" if policy.only_listed_platforms else "others count as well"
    return f"Listed platforms ({meaning})"


def _list(title: str, ids: list[bytes]) -> Iterator[str]:
    yield f"{title}:" if ids else f"{title}: none"
    for each in ids:
        yield f"  0x{each.hex()}"


def _used(policy: AttestationPolicy, found: Platforms) -> Iterator[str]:
    yield "Platforms of its shards:" if found.used else "Platforms of its shards: none"
    for platform, shard_ids in found.used.items():
        shards = ", ".join(map(str, shard_ids))
        note = ""
        if platform in found.denied:
            note = ", denied"
        elif policy.only_listed_platforms and platform not in found.listed:
            note = ", not listed"
        yield f"  0x{platform.hex()}  shard {shards}{note}"
