# SPDX-License-Identifier: Apache-2.0
"""The life of an on-chain request inside an entry: find, decide, answer, settle."""
