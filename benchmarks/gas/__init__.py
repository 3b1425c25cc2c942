# SPDX-License-Identifier: Apache-2.0
"""The gas of whole transactions, on a local chain with Base's rules."""
