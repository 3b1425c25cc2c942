# SPDX-License-Identifier: Apache-2.0
"""Backends that compute a shard: torch, or native kernels in C++."""
