# SPDX-License-Identifier: Apache-2.0
"""`ape run admin policy`, `tighten-policy`, `set-policy`: what a model asks of platforms and paths.

Only what is named changes. The contract takes a policy whole, so the rest is read from it just
before; a policy that was announced and not yet done keeps the rest as it was then.
"""

from dataclasses import dataclass
from typing import Any

import click
from ape.api import ProviderAPI
from rich.console import Console

from administration.command_group import act, model_option, view, wait_option
from administration.deployment.verifiers import automata_behind
from administration.errors import CollateralAgeUnknown, PolicyChanged, PolicyLoosened
from administration.policy.fields import Change, changes, policy_options, wanted_policy
from administration.policy.models import policy_of
from administration.policy.view import show_policy
from administration.roles.history import Announcement, announcements
from administration.roles.restricted_calls import Act, Administration, Outcome
from teetee.chain.types.policies import AttestationPolicy


@dataclass(frozen=True)
class Edit:
    """A policy that is to be, and what is other about it than now."""

    model_id: int
    present: AttestationPolicy
    policy: AttestationPolicy
    changed: list[Change]

    @property
    def looser(self) -> list[str]:
        """What would let more in."""
        return [str(change) for change in self.changed if change.is_looser]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Of `tightenPolicy` and `setPolicy`."""
        return self.model_id, self.policy.as_solidity()


@view(model_option)
def policy(provider: ProviderAPI, _network: Any, contracts: Any, model_id: int) -> None:
    """What a model asks of platforms and paths, and its lists.

    The lists: images that may run it, platforms that are denied or listed, and the platforms that
    its shards run on. An id stands there as `deny-platform` and `list-platform` take it.
    """
    show_policy(Console(), provider, contracts, model_id)


@act(model_option, policy_options)
def tighten_policy(administration: Administration, model_id: int, **given: Any) -> Outcome | None:
    """Ask more of platforms and paths, at once (GUARDIAN).

    Only what is named changes, and none of it may become looser: `set-policy` does that. New
    shards and renewals have to meet it from now on. Enrolled ones stay until somebody has them
    judged anew: `teetee collateral sync --recheck`, or `teetee host recheck SHARD`.

    \b
    No collateral older than a week, and no set of Intel's before number 20:
        ape run admin tighten-policy --model 1 --max-collateral-age 7d \\
            --minimum-evaluation-number 20
    """
    edit = _edit(administration, model_id, given)
    if edit is None:
        return None
    if edit.looser:
        raise PolicyLoosened(edit.looser)
    return administration.perform(Act(administration.registry, "tightenPolicy", edit.arguments))


@act(model_option, policy_options, wait_option)
def set_policy(
    administration: Administration, model_id: int, wait: bool, **given: Any
) -> Outcome | None:
    """Ask more or less of platforms and paths. With notice (NOTICE_GIVER).

    Only what is named changes. The announcement holds the whole policy as it would be now: when
    somebody tightens another field meanwhile, the same command announces anew, and the old
    announcement should be cancelled, because done later it would take the tightening back.

    \b
    Also accept platforms whose software needs hardening:
        ape run admin set-policy --model 1 --accept UpToDate --accept SWHardeningNeeded
    """
    edit = _edit(administration, model_id, given)
    if edit is None:
        return None
    if not edit.looser:
        click.echo("None of it is looser: `tighten-policy` would do it at once.")
    intended = Act(administration.registry, "setPolicy", edit.arguments)

    def confirm() -> None:
        if policy_of(administration.registry, model_id) != edit.present:
            raise PolicyChanged(model_id)

    outcome = administration.perform(intended, wait, confirm)
    for other in _others(administration, model_id, intended):
        click.echo(
            f"Also announced for model {model_id}: {other.described(administration.contracts)}. "
            f"Unless that is meant too: ape run admin cancel 0x{other.operation.hex()}"
        )
    return outcome


def _edit(administration: Administration, model_id: int, given: dict[str, Any]) -> Edit | None:
    """Says what would change. None: nothing would. Raises `UsageError` when nothing is named,
    `UnknownModel`, `CollateralAgeUnknown`.
    """
    if not any(value not in (None, ()) for value in given.values()):
        raise click.UsageError("Name what is to change, as --accept or --max-collateral-age.")
    present = policy_of(administration.registry, model_id)
    wanted = wanted_policy(present, given)
    changed = list(changes(present, wanted))
    if not changed:
        click.echo(f"Nothing changes: model {model_id} asks for just that. Nothing was sent.")
        return None
    automata = automata_behind(administration.contracts.verifier.address)
    if automata is not None and wanted.max_collateral_age != 0:
        raise CollateralAgeUnknown(automata)
    click.echo(f"Policy of model {model_id}:")
    for change in changed:
        click.echo(f"  {change}")
    return Edit(model_id, present, wanted, changed)


def _others(administration: Administration, model_id: int, intended: Act) -> list[Announcement]:
    """Other policies that are announced for the model."""
    registry = administration.registry
    selector, model = intended.data[:4], model_id.to_bytes(32, "big")
    return [
        found
        for found in announcements(administration.provider, administration.contracts)
        if found.target == registry.address
        and found.data[:36] == selector + model
        and found.data != intended.data
    ]
