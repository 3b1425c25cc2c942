# SPDX-License-Identifier: Apache-2.0
"""The one door to the chain: addresses, ABIs, reads, writes. Nothing else in Python knows an ABI.

Start with `deployment` (where the contracts are) and `connection` (a node, or several); then
`registry`, `escrow` and `token` read and describe calls, and `transactions` sends them.
"""
