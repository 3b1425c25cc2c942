# SPDX-License-Identifier: Apache-2.0
"""A plan, as JSON and as a table."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shard_tools.plan.demand import Precision
from shard_tools.plan.hosts import Host
from shard_tools.plan.placing import Plan, Stage


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan, and for what it was made."""

    model: str
    precision: Precision
    context: int
    streams: int
    plan: Plan

    def to_json(self) -> dict[str, Any]:
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
        console.print(self._table())
        console.print(
            f"Once round the links: {self.plan.link_seconds * 1e3:.1f} ms. At most "
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
                f"Not used: {escape(host.name)}. {_size(host.memory)} are too little for any of "
                "these ranges, or it may not be an entry.",
                soft_wrap=True,
            )

    def _table(self) -> Table:
        title = (
            f"{escape(self.model)}, {self.precision.value}, context {self.context}, "
            f"{self.streams} stream{'s' * (self.streams != 1)}"
        )
        table = Table("host", "layers", "kind", title=title)
        for column in ("memory needed", "had", "ms per token"):
            table.add_column(column, justify="right")
        slowest = self.plan.slowest
        for stage in self.plan.stages:
            for place, host in enumerate(stage.hosts):
                seconds = host.seconds(stage.part)
                table.add_row(
                    escape(host.name),
                    f"{stage.layers.first}-{stage.layers.end}",
                    _kind(stage, place),
                    _size(stage.memory_needed),
                    _size(host.memory),
                    f"{seconds * 1e3:.2f}" + (" slowest" if stage is slowest else ""),
                )
        return table


def _kind(stage: Stage, place: int) -> str:
    kind = "entry" if stage.is_entry else "stage"
    return f"{kind}, replica" if place else kind


def _stage_json(stage: Stage) -> dict[str, Any]:
    def host_json(host: Host) -> dict[str, Any]:
        seconds = host.seconds(stage.part)
        return {"name": host.name, "memory": host.memory, "secondsPerToken": seconds}

    return {
        "layers": [stage.layers.first, stage.layers.end],
        "isEntry": stage.is_entry,
        "memoryNeeded": stage.memory_needed,
        "secondsPerToken": stage.seconds,
        "hosts": [host_json(host) for host in stage.hosts],
    }


def _size(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"
