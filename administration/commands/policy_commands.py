# SPDX-License-Identifier: Apache-2.0
"""`ape run admin tighten-policy` and `set-policy`: what a model requires of platforms and paths.

Only the named fields change. The contract takes a whole policy, so the other fields are read from
it just before; an announced policy keeps them as they were at the announcement.
"""

from dataclasses import dataclass
from typing import Any

import click

from administration.chain.verifier import automata_behind
from administration.commands.group import POLICIES, change, model_option, wait_option
from administration.errors import CollateralAgeUnknown, PolicyChanged, PolicyLoosened
from administration.policy.current_policy import policy_of
from administration.policy.fields import Change, changes, policy_options, wanted_policy
from administration.roles.history import Announcement, announcements
from administration.roles.restricted_calls import Administrator, Outcome, RestrictedCall
from teetee.chain.types.policies import AttestationPolicy


@dataclass(frozen=True)
class Edit:
    """An intended policy, and its differences from the present one."""

    model_id: int
    present: AttestationPolicy
    policy: AttestationPolicy
    differences: list[Change]

    @property
    def looser(self) -> list[str]:
        """The changes that accept more."""
        return [str(change) for change in self.differences if change.is_looser]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The arguments of `tightenPolicy` and `setPolicy`."""
        return self.model_id, self.policy.to_abi()


@change(POLICIES, model_option, policy_options)
def tighten_policy(administrator: Administrator, model_id: int, **given: Any) -> Outcome | None:
    """Require more of platforms and paths; immediately (GUARDIAN).

    Only the named fields change, and none may become looser: `set-policy` does that. New shards
    and renewals have to meet the policy from now on. Enrolled shards stay until they are
    rechecked: `teetee collateral sync --recheck`, or `teetee host recheck SHARD`.

    \b
    No collateral older than a week, and none of Intel's sets before number 20:
        ape run admin tighten-policy --model 1 --max-collateral-age 7d \\
            --minimum-evaluation-number 20
    """
    edit = _edit(administrator, model_id, given)
    if edit is None:
        return None
    if edit.looser:
        raise PolicyLoosened(edit.looser)
    return administrator.perform(
        RestrictedCall(administrator.registry, "tightenPolicy", edit.arguments)
    )


@change(POLICIES, model_option, policy_options, wait_option)
def set_policy(
    administrator: Administrator, model_id: int, wait: bool, **given: Any
) -> Outcome | None:
    """Require more or less of platforms and paths; with notice (NOTICE_GIVER).

    Only the named fields change. The announcement contains the whole policy: if another field is
    tightened meanwhile, the same command announces a new one. Cancel the old announcement then,
    because it would undo the tightening.

    \b
    Also accept platforms whose software needs hardening:
        ape run admin set-policy --model 1 --accept UpToDate --accept SWHardeningNeeded
    """
    edit = _edit(administrator, model_id, given)
    if edit is None:
        return None
    if not edit.looser:
        click.echo("Nothing becomes looser: `tighten-policy` would do this immediately.")
    intended = RestrictedCall(administrator.registry, "setPolicy", edit.arguments)

    def confirm() -> None:
        if policy_of(administrator.registry, model_id) != edit.present:
            raise PolicyChanged(model_id)

    outcome = administrator.perform(intended, wait, confirm)
    for other in _others(administrator, model_id, intended):
        click.echo(
            f"Also announced for model {model_id}: {other.described(administrator.contracts)}. "
            f"To cancel it: ape run admin cancel 0x{other.operation.hex()}"
        )
    return outcome


def _edit(administrator: Administrator, model_id: int, given: dict[str, Any]) -> Edit | None:
    """Print the changes; None if there are none.

    Raises `UsageError` when no field is named, `UnknownModel`, `CollateralAgeUnknown`.
    """
    if not any(value not in (None, ()) for value in given.values()):
        raise click.UsageError("Name a field to change, such as --accept or --max-collateral-age.")
    present = policy_of(administrator.registry, model_id)
    wanted = wanted_policy(present, given)
    differences = list(changes(present, wanted))
    if not differences:
        click.echo(f"Nothing changes: this is the policy of model {model_id}. Nothing was sent.")
        return None
    automata = automata_behind(administrator.contracts.verifier.address)
    if automata is not None and wanted.max_collateral_age != 0:
        raise CollateralAgeUnknown(automata)
    click.echo(f"Policy of model {model_id}:")
    for difference in differences:
        click.echo(f"  {difference}")
    return Edit(model_id, present, wanted, differences)


def _others(
    administrator: Administrator, model_id: int, intended: RestrictedCall
) -> list[Announcement]:
    """Other announced policies of the model."""
    registry = administrator.registry
    selector, model = intended.data[:4], model_id.to_bytes(32, "big")
    return [
        found
        for found in announcements(administrator.provider, administrator.contracts)
        if found.target == registry.address
        and found.data[:36] == selector + model
        and found.data != intended.data
    ]
