# SPDX-License-Identifier: Apache-2.0
"""From a model and a file of hosts to a plan."""

from pathlib import Path

from shard_runtime.backends.native import unsupported
from shard_runtime.errors import PrecisionUnavailable
from shard_runtime.model_files.source import open_model
from shard_tools.plan.demand import Precision, demand_of
from shard_tools.plan.hosts_json import read_hosts
from shard_tools.plan.placing import place
from shard_tools.plan.report import PlanReport

USUAL_CONTEXT = 4096


def make_plan(
    model: str,
    hosts: Path,
    *,
    precision: Precision,
    context: int | None,
    streams: int,
    stages: int | None,
) -> PlanReport:
    """context: positions of each request; None for 4096, or what the model has if that is less.

    Raises the errors of opening, `PrecisionUnavailable`, `HostsInvalid`, `ModelDoesNotFit`.
    """
    known = read_hosts(hosts)
    source = open_model(model)
    architecture = source.architecture
    if precision is Precision.INT8 and (reason := unsupported(architecture)) is not None:
        raise PrecisionUnavailable(precision.value, reason)
    context = min(context or USUAL_CONTEXT, architecture.context_length)
    demand = demand_of(architecture, precision, context=context, streams=streams)
    return PlanReport(source.name, precision, context, streams, place(demand, known, stages))
