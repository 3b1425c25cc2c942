# SPDX-License-Identifier: Apache-2.0
"""What wallet, oracle, shard and web app must agree on, byte for byte: docs/protocol.md."""
