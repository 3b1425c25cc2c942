# SPDX-License-Identifier: Apache-2.0
"""The connected network: its contracts, their events, and transactions from one account."""
