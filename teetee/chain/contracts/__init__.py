# SPDX-License-Identifier: Apache-2.0
"""The deployed contracts: one module per contract, reads pinned to a block and calls to be sent."""
