# SPDX-License-Identifier: Apache-2.0
"""Keeps the chain's collateral fresh: reads a PCCS, uploads newer collateral, rechecks shards.

None of this is trusted. The contracts accept only what Intel signed, so a PCCS that lies is
refused; one that withholds collateral leaves the chain unchanged.
"""
