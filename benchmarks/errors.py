"""What can go wrong with a measurement.

BenchmarkError
├── ToolMissing          a program of the toolchain is not there or failed
├── ChainSilent          the local chain did not come up
└── TransactionReverted  a transaction that was to be measured failed
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
