# SPDX-License-Identifier: Apache-2.0
"""A block that reads are pinned to, and an event in one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Block:
    """A block that reads can be pinned to."""

    number: int
    hash: bytes
    timestamp: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class EventLog:
    """A decoded event."""

    event: str
    arguments: Mapping[str, Any]
    """Structs are mappings too; bytes are bytes, addresses checksummed."""
    block_number: int
    transaction_hash: str
    index: int
    """Position in its block."""
    timestamp: int | None = None
    """Of its block, Unix seconds; None: the node did not say."""
