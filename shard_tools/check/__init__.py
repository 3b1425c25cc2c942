# SPDX-License-Identifier: Apache-2.0
"""`python -m shard_tools check`: real stage processes and the unsplit model, compared token by
token.
"""
