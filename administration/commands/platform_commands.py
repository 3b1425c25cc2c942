# SPDX-License-Identifier: Apache-2.0
"""`ape run admin …` for platforms: the machines that may serve."""

import click

from administration.commands.group import PLATFORMS, change, model_option, wait_option
from administration.option_types import BYTES32
from administration.policy.current_policy import require_model
from administration.roles.restricted_calls import Administrator, Outcome, RestrictedCall
from teetee.chain.contract_errors import ContractRejected

platform_argument = click.argument("platform", type=BYTES32)


@change(PLATFORMS, platform_argument)
def deny_platform(administrator: Administrator, platform: bytes) -> Outcome:
    """Refuse all further quotes of a machine, for all models; immediately (GUARDIAN).

    Anyone can then evict the shards on it: `teetee host recheck SHARD`.
    """
    return administrator.perform(
        RestrictedCall(administrator.registry, "denyPlatform", (platform,))
    )


@change(PLATFORMS, platform_argument, wait_option)
def readmit_platform(administrator: Administrator, platform: bytes, wait: bool) -> Outcome:
    """Accept the quotes of a denied machine again; with notice (NOTICE_GIVER)."""
    registry = administrator.registry
    if not registry.isPlatformDenied(platform):
        raise ContractRejected("PlatformNotDenied", {"platformId": platform})
    return administrator.perform(RestrictedCall(registry, "readmitPlatform", (platform,)), wait)


@change(PLATFORMS, model_option, platform_argument, wait_option)
def list_platform(
    administrator: Administrator, model_id: int, platform: bytes, wait: bool
) -> Outcome:
    """Add a machine to a model's list; with notice (NOTICE_GIVER).

    The list has an effect where the policy accepts only listed platforms. `policy` shows the
    platforms that the model's shards run on: list those first, then tighten the policy.
    """
    registry = administrator.registry
    require_model(registry, model_id)
    if registry.isPlatformListed(model_id, platform):
        # The contract accepts the announcement and would refuse only the call after the notice.
        given = {"modelId": model_id, "platformId": platform}
        raise ContractRejected("PlatformAlreadyListed", given)
    listed = (model_id, platform)
    return administrator.perform(RestrictedCall(registry, "listPlatform", listed), wait)


@change(PLATFORMS, model_option, platform_argument)
def unlist_platform(administrator: Administrator, model_id: int, platform: bytes) -> Outcome:
    """Remove a machine from a model's list; immediately (GUARDIAN).

    Where only listed platforms count, anyone can then evict the shards on it:
    `teetee host recheck SHARD`.
    """
    unlisted = (model_id, platform)
    return administrator.perform(RestrictedCall(administrator.registry, "unlistPlatform", unlisted))
