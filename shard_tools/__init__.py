"""Operators' tools, outside the enclave: digests, splitting, planning, split equals whole."""
