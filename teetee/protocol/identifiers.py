# SPDX-License-Identifier: Apache-2.0
"""The contracts' identifiers, each counted from 1. Zero means none."""

from typing import NewType

ModelId = NewType("ModelId", int)
"""A published model: `uint32`."""

ShardId = NewType("ShardId", int)
"""One enclave's layer range of one model: `uint32`."""

RequestId = NewType("RequestId", int)
"""A request: `uint256`."""
