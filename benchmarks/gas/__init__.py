# SPDX-License-Identifier: Apache-2.0
"""Gas of whole transactions, on a local chain with the rules of Base."""
