"""`python -m shard_runtime check`: real stage processes and the unsplit model, compared token by
token.
"""
