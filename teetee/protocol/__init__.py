"""What wallet, oracle, shard and web app must agree on, byte for byte. Start at docs/protocol.md."""
