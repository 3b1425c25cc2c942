# SPDX-License-Identifier: Apache-2.0
"""`python -m shard_tools check`: compares real stage processes with the unsplit model, token by
token.
"""
