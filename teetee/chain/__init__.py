# SPDX-License-Identifier: Apache-2.0
"""The interface to the chain: addresses, ABIs, reads, transactions. No other Python knows an ABI.

Start with `deployment` (where the contracts are) and `connection` (one or several nodes).
`contracts` reads them and makes calls, `transactions` sends the calls, `types` are their values.
"""
