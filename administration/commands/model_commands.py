# SPDX-License-Identifier: Apache-2.0
"""`ape run admin …` for a model's images and prices."""

import click

from administration.commands.group import MODELS, change, model_option, wait_option
from administration.deployment.trust import distrust_image, trust_image
from administration.option_types import AMOUNT, BYTES32
from administration.roles.restricted_calls import Administrator, Outcome, RestrictedCall
from teetee.chain.contract_errors import ContractRejected

measurement_option = click.option(
    "--measurement", type=BYTES32, required=True, help="Measurement of the image."
)
input_price_option = click.option(
    "--input-price", type=AMOUNT, required=True, help="Per prompt token."
)
output_price_option = click.option(
    "--output-price", type=AMOUNT, required=True, help="Per answer token."
)


@change(MODELS, model_option, measurement_option, wait_option)
def allow_measurement(
    administrator: Administrator, model_id: int, measurement: bytes, wait: bool
) -> Outcome:
    """Allow an image to run a model; with notice (NOTICE_GIVER)."""
    if administrator.registry.isMeasurementAllowed(model_id, measurement):
        # The contract accepts the announcement and would refuse only the call after the notice.
        given = {"modelId": model_id, "measurement": measurement}
        raise ContractRejected("MeasurementAlreadyAllowed", given)
    allowed = (model_id, measurement)
    outcome = administrator.perform(
        RestrictedCall(administrator.registry, "allowMeasurement", allowed), wait
    )
    if outcome.ready_at is None:
        trust_image(administrator.contracts, model_id, measurement)
    return outcome


@change(MODELS, model_option, measurement_option)
def withdraw_measurement(
    administrator: Administrator, model_id: int, measurement: bytes
) -> Outcome:
    """Stop an image from running a model; immediately (GUARDIAN).

    Anyone can then evict the shards that run it: `teetee host recheck SHARD`.
    """
    withdrawn = (model_id, measurement)
    outcome = administrator.perform(
        RestrictedCall(administrator.registry, "withdrawMeasurement", withdrawn)
    )
    if outcome.ready_at is None:
        distrust_image(administrator.contracts, model_id, measurement)
    return outcome


@change(MODELS, model_option, input_price_option, output_price_option, wait_option)
def raise_prices(
    administrator: Administrator, model_id: int, input_price: int, output_price: int, wait: bool
) -> Outcome:
    """Raise a model's prices per LLM token; with notice (NOTICE_GIVER)."""
    prices = (model_id, input_price, output_price)
    return administrator.perform(
        RestrictedCall(administrator.registry, "raisePrices", prices), wait
    )


@change(MODELS, model_option, input_price_option, output_price_option)
def lower_prices(
    administrator: Administrator, model_id: int, input_price: int, output_price: int
) -> Outcome:
    """Lower a model's prices per LLM token; immediately (PUBLISHER)."""
    prices = (model_id, input_price, output_price)
    return administrator.perform(RestrictedCall(administrator.registry, "lowerPrices", prices))
