# SPDX-License-Identifier: Apache-2.0
"""The result of a check, as JSON and as tables."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from shard_tools.check.memory import MEASURE
from shard_tools.check.parts import Parts
from teetee.protocol.layers import LayerRange

_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class PromptResult:
    """The result for one prompt."""

    line: int
    """Counted from 1, without blank lines."""
    input_tokens: int
    output_tokens: int
    reference_tokens: int
    first_difference: int | None
    """The position at which the split model's answer differs from the reference; None if equal."""
    first_difference_unsplit: int | None
    """The same, compared with this runtime unsplit."""
    finish_reason: str
    receipts: int

    @property
    def equal(self) -> bool:
        """Whether the split model's answer equals both others."""
        return self.first_difference is None and self.first_difference_unsplit is None


@dataclass(frozen=True, slots=True)
class StageMemory:
    """Peak memory of one stage's process, above that of a bare interpreter with torch."""

    layers: LayerRange
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a whole check."""

    model: str
    max_tokens: int
    reference: str
    prompts: tuple[PromptResult, ...]
    stages: tuple[StageMemory, ...]
    bare_bytes: int
    unsplit_bytes: int
    """This runtime in one process, above the bare interpreter: the base of all ratios."""
    reference_bytes: int | None
    """The reference's process, above the bare interpreter; None without transformers."""
    seconds: float
    parts: Parts | None = None
    """The comparison with transformers part by part, if it was asked for."""

    @property
    def equal(self) -> bool:
        """Whether all answers are equal, and all parts that were compared."""
        return all(prompt.equal for prompt in self.prompts) and (
            self.parts is None or self.parts.equal
        )

    def to_json(self) -> dict[str, Any]:
        """The document that `check --json` prints."""
        return {
            "model": self.model,
            "stages": len(self.stages),
            "reference": self.reference,
            "maxTokens": self.max_tokens,
            "equal": self.equal,
            "prompts": [_prompt_json(prompt) for prompt in self.prompts],
            **(self.parts.to_json() if self.parts is not None else {}),
            "memory": self._memory_json(),
            "seconds": round(self.seconds, 1),
        }

    def print(self, console: Console) -> None:
        """Prints both tables and the verdict."""
        console.print(self._prompt_table())
        if self.parts is not None:
            console.print(self.parts.table())
        console.print(self._memory_table())
        same = all(prompt.equal for prompt in self.prompts)
        verdict = "[green]equal[/green]" if same else "[red]different[/red]"
        console.print(
            f"Greedy tokens of {len(self.stages)} stages and of {self.reference}: {verdict}. "
            f"All receipts verified. {self.seconds:.0f} s."
        )

    def _memory_json(self) -> dict[str, Any]:
        return {
            "measure": MEASURE,
            "bareBytes": self.bare_bytes,
            "unsplitBytes": self.unsplit_bytes,
            "unsplitBy": "shard_runtime in one process",
            "referenceBytes": self.reference_bytes,
            "stages": [
                {
                    "layers": [stage.layers.first, stage.layers.end],
                    "peakBytes": stage.peak_bytes,
                    "ratio": self._ratio(stage),
                }
                for stage in self.stages
            ],
            "largestRatio": max(self._ratio(stage) for stage in self.stages),
        }

    def _ratio(self, stage: StageMemory) -> float:
        return round(stage.peak_bytes / self.unsplit_bytes, 3) if self.unsplit_bytes > 0 else 0.0

    def _prompt_table(self) -> Table:
        table = Table("line", "input tokens", "output tokens", "finish", "receipts", "equal")
        for prompt in self.prompts:
            differences = (prompt.first_difference, prompt.first_difference_unsplit)
            at = min((each for each in differences if each is not None), default=None)
            table.add_row(
                str(prompt.line),
                str(prompt.input_tokens),
                str(prompt.output_tokens),
                prompt.finish_reason,
                str(prompt.receipts),
                "yes" if prompt.equal else f"differs at {at}",
            )
        return table

    def _memory_table(self) -> Table:
        table = Table("process", "peak MiB", "of unsplit", title="memory above bare torch")
        table.add_row("unsplit, this runtime", f"{self.unsplit_bytes / _MEBIBYTE:.0f}", "1.00")
        if self.reference_bytes is not None:
            table.add_row("unsplit, reference", f"{self.reference_bytes / _MEBIBYTE:.0f}", "")
        for number, stage in enumerate(self.stages):
            size = f"{stage.peak_bytes / _MEBIBYTE:.0f}"
            table.add_row(f"stage {number} {stage.layers}", size, f"{self._ratio(stage):.2f}")
        return table


def _prompt_json(prompt: PromptResult) -> dict[str, Any]:
    return {
        "line": prompt.line,
        "equal": prompt.equal,
        "inputTokens": prompt.input_tokens,
        "outputTokens": prompt.output_tokens,
        "referenceTokens": prompt.reference_tokens,
        "firstDifference": prompt.first_difference,
        "firstDifferenceUnsplit": prompt.first_difference_unsplit,
        "finishReason": prompt.finish_reason,
        "receiptsVerified": prompt.receipts,
    }
