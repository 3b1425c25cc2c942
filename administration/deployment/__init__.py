# SPDX-License-Identifier: Apache-2.0
"""A deployment: its terms, the order of its transactions, its checks."""
