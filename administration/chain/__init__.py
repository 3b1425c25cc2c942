# SPDX-License-Identifier: Apache-2.0
"""The connected network: its contracts, events, and a sender of transactions."""
