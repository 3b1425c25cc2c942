# SPDX-License-Identifier: Apache-2.0
"""A plan as JSON and as a table."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shard_tools.plan.demand import WeightPrecision
from shard_tools.plan.hosts import HostSpec
from shard_tools.plan.shard_plan import PlannedStage, ShardPlan


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan and its conditions."""

    model: str
    precision: WeightPrecision
    context: int
    streams: int
    plan: ShardPlan

    def to_json(self) -> dict[str, Any]:
        """The document that `plan --json` prints."""
        return {
            "model": self.model,
            "precision": self.precision.value,
            "context": self.context,
            "streams": self.streams,
            "stages": [_stage_json(stage) for stage in self.plan.stages],
            "unused": [host.name for host in self.plan.unused],
            "linkSeconds": self.plan.link_seconds,
            "tokensPerSecond": {
                str(streams): round(self.plan.tokens_per_second(streams), 2)
                for streams in sorted({1, self.streams})
            },
        }

    def print(self, console: Console) -> None:
        """Prints the table and a summary."""
        console.print(self._table())
        console.print(
            f"Link time per token: {self.plan.link_seconds * 1e3:.1f} ms. At most "
            + " and ".join(
                f"[bold]{self.plan.tokens_per_second(streams):.1f}[/bold] tokens/s for {streams} "
                f"stream{'s' * (streams != 1)}"
                for streams in sorted({1, self.streams})
            )
            + ".",
            soft_wrap=True,
        )
        for host in self.plan.unused:
            console.print(
                f"Not used: {escape(host.name)}. Its memory ({_size(host.memory_bytes)}) is too "
                "small for any of these ranges, or it cannot be the entry.",
                soft_wrap=True,
            )

    def _table(self) -> Table:
        title = (
            f"{escape(self.model)}, {self.precision.value}, context {self.context}, "
            f"{self.streams} stream{'s' * (self.streams != 1)}"
        )
        table = Table("host", "layers", "kind", title=title)
        for column in ("memory needed", "available", "ms per token"):
            table.add_column(column, justify="right")
        slowest = self.plan.slowest
        for stage in self.plan.stages:
            for index, host in enumerate(stage.hosts):
                seconds = host.seconds(stage.demand)
                table.add_row(
                    escape(host.name),
                    f"{stage.layers.first}-{stage.layers.end}",
                    _kind(stage, index),
                    _size(stage.process_bytes),
                    _size(host.memory_bytes),
                    f"{seconds * 1e3:.2f}" + (" slowest" if stage is slowest else ""),
                )
        return table


def _kind(stage: PlannedStage, index: int) -> str:
    kind = "entry" if stage.is_entry else "stage"
    return f"{kind}, replica" if index else kind


def _stage_json(stage: PlannedStage) -> dict[str, Any]:
    def host_json(host: HostSpec) -> dict[str, Any]:
        seconds = host.seconds(stage.demand)
        return {"name": host.name, "memory": host.memory_bytes, "secondsPerToken": seconds}

    return {
        "layers": [stage.layers.first, stage.layers.end],
        "isEntry": stage.is_entry,
        "memoryNeeded": stage.process_bytes,
        "secondsPerToken": stage.seconds,
        "hosts": [host_json(host) for host in stage.hosts],
    }


def _size(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"
