# SPDX-License-Identifier: Apache-2.0
"""Keeps the chain's collateral fresh: reads a PCCS, brings what is newer, has shards judged anew.

Nobody is trusted with it. A PCCS that lies is found out by the contracts, which take only what
Intel signed; one that withholds leaves the chain as it was.
"""
