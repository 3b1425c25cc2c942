# SPDX-License-Identifier: Apache-2.0
"""Operators' tools, outside the enclave: digests, splitting, planning, split equals whole."""
