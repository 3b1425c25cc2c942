# SPDX-License-Identifier: Apache-2.0
"""`ape run admin …` for images and platforms: what may run, and where."""

import click

from administration.command_group import act, model_option, wait_option
from administration.option_types import BYTES32
from administration.policy.models import require_model
from administration.roles.restricted_calls import Act, Administration, Outcome
from teetee.chain.contract_errors import ContractRejected

measurement_option = click.option("--measurement", type=BYTES32, required=True)
platform_argument = click.argument("platform", type=BYTES32)


# ---------------------------------------------------------------- images


@act(model_option, measurement_option, wait_option)
def allow_measurement(
    administration: Administration, model_id: int, measurement: bytes, wait: bool
) -> Outcome:
    """Let an image run a model. With notice (NOTICE_GIVER)."""
    if administration.registry.isMeasurementAllowed(model_id, measurement):
        # announced now, it would fail when its time comes
        given = {"modelId": model_id, "measurement": measurement}
        raise ContractRejected("MeasurementAlreadyAllowed", given)
    allowed = (model_id, measurement)
    return administration.perform(Act(administration.registry, "allowMeasurement", allowed), wait)


@act(model_option, measurement_option)
def withdraw_measurement(
    administration: Administration, model_id: int, measurement: bytes
) -> Outcome:
    """End that, at once (GUARDIAN). Then anybody can evict who runs the image."""
    return administration.perform(
        Act(administration.registry, "withdrawMeasurement", (model_id, measurement))
    )


# ---------------------------------------------------------------- platforms


@act(platform_argument)
def deny_platform(administration: Administration, platform: bytes) -> Outcome:
    """Refuse all further quotes of a machine, at once (GUARDIAN).

    For all models. Anybody can then evict the shards on it: `teetee host recheck SHARD`.
    """
    return administration.perform(Act(administration.registry, "denyPlatform", (platform,)))


@act(platform_argument, wait_option)
def readmit_platform(administration: Administration, platform: bytes, wait: bool) -> Outcome:
    """Accept them again. With notice (NOTICE_GIVER)."""
    registry = administration.registry
    if not registry.isPlatformDenied(platform):
        raise ContractRejected("PlatformNotDenied", {"platformId": platform})
    return administration.perform(Act(registry, "readmitPlatform", (platform,)), wait)


@act(model_option, platform_argument, wait_option)
def list_platform(
    administration: Administration, model_id: int, platform: bytes, wait: bool
) -> Outcome:
    """Put a machine on a model's list. With notice (NOTICE_GIVER).

    The list matters where the policy wants only listed platforms. `policy` shows the platforms
    that the model's shards run on: list those first, then tighten the policy.
    """
    registry = administration.registry
    require_model(registry, model_id)
    if registry.isPlatformListed(model_id, platform):
        # announced now, it would fail when its time comes
        given = {"modelId": model_id, "platformId": platform}
        raise ContractRejected("PlatformAlreadyListed", given)
    return administration.perform(Act(registry, "listPlatform", (model_id, platform)), wait)


@act(model_option, platform_argument)
def unlist_platform(administration: Administration, model_id: int, platform: bytes) -> Outcome:
    """Take a machine from a model's list, at once (GUARDIAN).

    Where only listed platforms count, anybody can then evict the shards on it:
    `teetee host recheck SHARD`.
    """
    listed = (model_id, platform)
    return administration.perform(Act(administration.registry, "unlistPlatform", listed))
