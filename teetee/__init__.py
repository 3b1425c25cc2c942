# SPDX-License-Identifier: Apache-2.0
"""What wallet, oracle and shard must agree on, and the wallet's side. Start at docs/protocol.md."""
