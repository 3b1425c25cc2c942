# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a measurement.

BenchmarkError
├── ToolMissing          a program of the toolchain is not there or failed
├── ChainSilent          the local chain did not come up
├── TransactionReverted  a transaction that was to be measured failed
├── ModelMissing         the model that is measured is not installed
├── AnswerIncomplete     a system gave fewer tokens than it was asked for
├── OutputUnknown        a peer's tool printed something else than it used to
└── PeerFailed           a peer's program ended or did not come up
"""


class BenchmarkError(Exception):
    """Nothing was measured; the message says what to do."""


class ToolMissing(BenchmarkError):
    """A program of the toolchain is not there or failed."""

    def __init__(self, command: str, detail: str) -> None:
        super().__init__(f"`{command}` failed: {detail}. Run: make setup")


class ChainSilent(BenchmarkError):
    """The local chain did not come up."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(f"anvil did not answer at {url} within {seconds:.0f} s. Run it again.")


class TransactionReverted(BenchmarkError):
    """A transaction that was to be measured failed, so a figure would mean nothing."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} reverted on the local chain. Run: make test-forge")


class ModelMissing(BenchmarkError):
    """The model that is measured is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(f"The package {package}, which has the model, is missing. Run: make venv")


class AnswerIncomplete(BenchmarkError):
    """A system gave fewer tokens than it was asked for, so its rate would mean nothing."""

    def __init__(self, system: str, wanted: int, given: int) -> None:
        super().__init__(f"{system} gave {given} of {wanted} tokens. Run: make test-python")


class OutputUnknown(BenchmarkError):
    """A peer's tool printed something else than it used to."""

    def __init__(self, tool: str, detail: str) -> None:
        super().__init__(
            f"{tool} printed something that is not understood: {detail}. "
            "Use a version that benchmarks/results/runtime.json names, or unset LLAMA_CPP_BIN."
        )


class PeerFailed(BenchmarkError):
    """A peer's program ended or did not come up."""

    def __init__(self, program: str, detail: str) -> None:
        super().__init__(f"{program} failed: {detail}. Mend it, or unset LLAMA_CPP_BIN.")
