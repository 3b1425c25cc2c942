"""How fast a shard computes."""
