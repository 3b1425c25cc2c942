# SPDX-License-Identifier: Apache-2.0
"""Runs a prompt over a path of shards. Knows no envelope and no escrow."""
