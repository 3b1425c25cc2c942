# SPDX-License-Identifier: Apache-2.0
"""Both judges, and the chain that one of them needs: started once, used for many cases."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from teetee.quote_comparison import off_chain, on_chain
from teetee.quote_comparison.compiled_contracts import artefact
from teetee.quote_comparison.local_anvil import PrivateChain
from teetee.quote_comparison.verdict import OffChainVerdict, OnChainVerdict, VerdictPair
from teetee.quotes.collateral.folder import CollateralSet
from teetee.quotes.errors import CollateralInvalid


class Court:
    """Use in `with`. Raises `ContractsNotCompiled`, `NoAnvil` at the beginning."""

    def __init__(self) -> None:
        self._chain = PrivateChain()

    def __enter__(self) -> Self:
        for name in (on_chain.CERTIFICATES, on_chain.VERIFIER):
            artefact(name)
        self._chain.__enter__()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._chain.close()

    def judge(self, quote: bytes, folder: Path, root_der: bytes, at: int) -> VerdictPair:
        """The quote with the collateral of a folder, at that Unix second, up to that root.

        What is wrong with quote or collateral is part of the verdicts. Raises
        `PrivateChainFailed`.
        """
        try:
            collateral = CollateralSet.read(folder, root_der, at)
        except CollateralInvalid as error:
            return VerdictPair(
                OffChainVerdict.refused(str(error)), OnChainVerdict.refused(str(error))
            )
        return VerdictPair(
            off_chain.judge(quote, collateral, at),
            on_chain.judge(self._chain, quote, collateral, at),
        )
