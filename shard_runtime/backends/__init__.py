# SPDX-License-Identifier: Apache-2.0
"""What computes a shard: torch, or the native kernels."""
