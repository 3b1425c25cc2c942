# SPDX-License-Identifier: Apache-2.0
"""The highest block that this process has believed, kept over restarts: an older one shown later is
no progress.

It protects from nodes, not from the host, who can delete the file.
"""

import json
import os
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from oracle.errors import StartUpRefused
from teetee.protocol.json import shallow as shallow_json

FILE_NAME = "head.json"


class HighestHead:
    """A block number, kept in memory."""

    number = 0
    """0: no block yet."""

    def raise_to(self, number: int) -> None:
        """A higher block was believed."""
        self.number = number


class StoredHighestHead(HighestHead):
    """Kept in a file as well."""

    def __init__(self, directory: Path, *, chain_id: int, log: FilteringBoundLogger) -> None:
        """Raises `StartUpRefused` for a file of another chain or program."""
        self._path = directory / FILE_NAME
        self._chain_id = chain_id
        self._log = log
        self.number = self._read()

    def raise_to(self, number: int) -> None:
        """A full disk is logged, and stops nothing."""
        self.number = number
        beside = self._path.with_suffix(".new")
        try:
            beside.write_text(json.dumps({"chainId": self._chain_id, "highestBlock": number}))
            os.replace(beside, self._path)
        except OSError as error:
            self._log.warning("the highest block was not written", block=number, error=error)

    def _read(self) -> int:
        if not self._path.exists():
            return 0
        try:
            value = shallow_json.load(self._path.read_bytes())
            chain_id, number = value["chainId"], value["highestBlock"]
        except (OSError, ValueError, KeyError, TypeError):
            chain_id, number = None, None
        if chain_id != self._chain_id or not isinstance(number, int) or number < 0:
            raise StartUpRefused(
                what=f"{self._path} is not the highest block of chain {self._chain_id}",
                remedy="Choose the data directory that belongs to this chain, or remove the file.",
            )
        return number
