# SPDX-License-Identifier: Apache-2.0
"""The result of a comparison with transformers, part by part, as JSON and as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

TOLERANCE = 1e-3
"""Of logits, relative to the largest: sums in another order differ, other weights differ more."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Token ids or rendered templates of several lines."""

    compared: int
    different: tuple[int, ...]
    """The lines that differ, counted from 1."""

    @classmethod
    def of(cls, found: Sequence[Any], expected: Sequence[Any]) -> "TextPart":
        """Compares line by line."""
        pairs = enumerate(zip(found, expected, strict=True), start=1)
        return cls(len(found), tuple(number for number, (here, there) in pairs if here != there))

    @property
    def equal(self) -> bool:
        """Whether no line differs."""
        return not self.different

    def to_json(self) -> dict[str, Any]:
        """The numbers of lines, and the first that differs."""
        return {
            "equal": self.equal,
            "compared": self.compared,
            "different": len(self.different),
            "firstDifference": self.different[0] if self.different else None,
        }

    def describe(self) -> str:
        """For a person."""
        if not self.compared:
            return "the model has none"
        if self.equal:
            return f"{self.compared} lines"
        return f"{len(self.different)} of {self.compared} lines, first line {self.different[0]}"


@dataclass(frozen=True, slots=True)
class EndTokenPart:
    """The tokens that end an answer."""

    found: frozenset[int]
    expected: frozenset[int]
    """Those of transformers' generation config."""

    @property
    def equal(self) -> bool:
        """Whether every end token of transformers ends an answer here. More may: those that the
        tokenizer names, and for a GGUF those of llama.cpp.
        """
        return self.expected <= self.found

    def to_json(self) -> dict[str, Any]:
        """Both sets, ascending."""
        return {
            "equal": self.equal,
            "found": sorted(self.found),
            "expected": sorted(self.expected),
            "missing": sorted(self.expected - self.found),
            "additional": sorted(self.found - self.expected),
        }

    def describe(self) -> str:
        """For a person."""
        parts = [f"ends at {_list(self.found)}"]
        if not self.equal:
            parts.append(f"missing {_list(self.expected - self.found)}")
        if self.found - self.expected:
            parts.append(f"transformers only at {_list(self.expected)}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class LogitPart:
    """The scores of the token after each prompt."""

    compared: int
    largest_difference: float
    largest_logit: float

    @property
    def equal(self) -> bool:
        """Whether they differ by no more than other orders of summation do."""
        return self.largest_difference <= TOLERANCE * self.largest_logit

    def to_json(self) -> dict[str, Any]:
        """The largest difference, and what is allowed."""
        return {
            "equal": self.equal,
            "compared": self.compared,
            "largestDifference": self.largest_difference,
            "largestLogit": self.largest_logit,
            "tolerance": TOLERANCE * self.largest_logit,
        }

    def describe(self) -> str:
        """For a person."""
        return (
            f"{self.compared} prompts, largest difference {self.largest_difference:.2g} of "
            f"{self.largest_logit:.3g}"
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """What was compared with transformers."""

    tokens: TextPart
    template: TextPart
    end_tokens: EndTokenPart
    logits: LogitPart

    @property
    def equal(self) -> bool:
        """Whether every part is."""
        return all(part.equal for part in self._named().values())

    def to_json(self) -> dict[str, Any]:
        """One object for each part."""
        return {name: part.to_json() for name, part in self._named().items()}

    def table(self) -> Table:
        """One row for each part."""
        table = Table("part", "equal", "what", title="compared with transformers")
        titles = {"endTokens": "end tokens", "template": "template output"}
        for name, part in self._named().items():
            verdict = "yes" if part.equal else "[red]differs[/red]"
            table.add_row(titles.get(name, name), verdict, part.describe())
        return table

    def _named(self) -> dict[str, TextPart | EndTokenPart | LogitPart]:
        return {
            "tokens": self.tokens,
            "template": self.template,
            "endTokens": self.end_tokens,
            "logits": self.logits,
        }


def _list(tokens: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(tokens))) or "none"
