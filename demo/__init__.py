# SPDX-License-Identifier: Apache-2.0
"""TeeTee on one machine: a chain, the contracts, three simulated enclaves, and a paid question that
is verified.

Starts the programs that an operator starts, each as its own process, and uses their public
interfaces only: it takes no decision that belongs to one of them.
"""
