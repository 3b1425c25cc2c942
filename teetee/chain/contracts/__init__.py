# SPDX-License-Identifier: Apache-2.0
"""The deployed contracts, one module each: reads pinned to a block, and calls to be sent."""
