# SPDX-License-Identifier: Apache-2.0
"""Makes a plan from a model and a hosts file."""

from pathlib import Path

from shard_runtime.backends.native import unsupported_reason
from shard_runtime.errors import PrecisionUnavailable
from shard_runtime.model_files.source import open_model
from shard_tools.plan.demand import WeightPrecision, demand_of
from shard_tools.plan.hosts_json import read_hosts
from shard_tools.plan.report import PlanReport
from shard_tools.plan.shard_plan import plan_shards

DEFAULT_CONTEXT = 4096


def make_plan(
    model: str,
    hosts: Path,
    *,
    precision: WeightPrecision,
    context: int | None,
    streams: int,
    stages: int | None,
) -> PlanReport:
    """Reads both and plans.

    context: positions per request; None for 4096, or the model's context if that is shorter.
    Raises the errors of opening, `PrecisionUnavailable`, `HostsInvalid`, `ModelDoesNotFit`.
    """
    specs = read_hosts(hosts)
    source = open_model(model)
    architecture = source.architecture
    if (
        precision is WeightPrecision.INT8
        and (reason := unsupported_reason(architecture)) is not None
    ):
        raise PrecisionUnavailable(precision.value, reason)
    context = min(context or DEFAULT_CONTEXT, architecture.context_length)
    demand = demand_of(architecture, precision, context=context, streams=streams)
    plan = plan_shards(demand, specs, stages)
    return PlanReport(source.name, precision, context, streams, plan)
