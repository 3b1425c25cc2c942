# SPDX-License-Identifier: Apache-2.0
"""Runs both verifiers on a quote. Starts the local chain once and reuses it for many quotes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from teetee.quote_comparison.compiled_contracts import compile_if_missing
from teetee.quote_comparison.local_anvil import LocalAnvil
from teetee.quote_comparison.off_chain import verify_off_chain
from teetee.quote_comparison.on_chain import CERTIFICATES, VERIFIER, verify_on_chain
from teetee.quote_comparison.verdict import OffChainVerdict, OnChainVerdict, VerdictPair
from teetee.quotes.collateral.folder import CollateralSet
from teetee.quotes.errors import CollateralInvalid


class QuoteComparer:
    """A context manager. Entering it compiles the contracts if they are not, after a call of
    `on_compile`; it raises `ContractsNotCompiled`, `AnvilUnavailable`.
    """

    def __init__(self, on_compile: Callable[[], None] = lambda: None) -> None:
        self._on_compile = on_compile
        self._anvil = LocalAnvil()

    def __enter__(self) -> Self:
        compile_if_missing((CERTIFICATES, VERIFIER), self._on_compile)
        self._anvil.__enter__()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._anvil.close()

    def compare(self, quote: bytes, folder: Path, root_der: bytes, at: int) -> VerdictPair:
        """Both verdicts on the quote with the folder's collateral, up to that root, at Unix time
        `at`.

        Errors in quote and collateral are part of the verdicts. Raises `AnvilFailed`.
        """
        try:
            collateral = CollateralSet.read(folder, root_der, at)
        except CollateralInvalid as error:
            return VerdictPair(
                OffChainVerdict.refused(str(error)), OnChainVerdict.refused(str(error))
            )
        return VerdictPair(
            verify_off_chain(quote, collateral, at),
            verify_on_chain(self._anvil, quote, collateral, at),
        )
