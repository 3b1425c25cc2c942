"""Runs a prompt over a path of shards. Knows no envelope and no escrow."""
