# SPDX-License-Identifier: Apache-2.0
"""Keeps the chain's collateral fresh: reads a PCCS, brings what is newer, has shards judged anew.

Nobody is trusted with it. A PCCS that lies is found out by the contracts, which take only what
Intel signed; one that withholds leaves the chain as it was.
"""

from teetee.collateral.pccs import PccsReader
from teetee.collateral.rechecks import Recheck, recheck_shards
from teetee.collateral.synchronization import Item, Synchronization

__all__ = ["Item", "PccsReader", "Recheck", "Synchronization", "recheck_shards"]
