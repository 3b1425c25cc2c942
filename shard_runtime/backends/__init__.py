"""What computes a shard: torch, or the native kernels."""
