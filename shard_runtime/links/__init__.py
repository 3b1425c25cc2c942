# SPDX-License-Identifier: Apache-2.0
"""Links between enclaves: mutual TLS 1.3, pinned to keys, and an in-memory twin."""
