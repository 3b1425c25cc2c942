# SPDX-License-Identifier: Apache-2.0
"""Links between enclaves: mutual TLS 1.3 with pinned keys, and in-memory links for tests."""
