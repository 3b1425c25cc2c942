# SPDX-License-Identifier: Apache-2.0
"""Identifiers as the contracts number them, each from 1. Zero means none."""

from typing import NewType

ModelId = NewType("ModelId", int)
"""A published model: `uint32`."""

ShardId = NewType("ShardId", int)
"""One enclave's layer range of one model: `uint32`."""

RequestId = NewType("RequestId", int)
"""One question: `uint256`."""
