# SPDX-License-Identifier: Apache-2.0
"""The tiny models of the runtime's tests."""

from tests.shard_runtime.conftest import llama, spoken, tiny

__all__ = ["llama", "spoken", "tiny"]
