"""What wallet, oracle, shard and web app must agree on, byte for byte: docs/protocol.md."""
