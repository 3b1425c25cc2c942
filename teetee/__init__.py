"""What wallet, oracle and shard must agree on, and the wallet's side. Start at docs/protocol.md."""
