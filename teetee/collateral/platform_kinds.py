# SPDX-License-Identifier: Apache-2.0
"""Which collateral the chain needs: for which platforms, from which evaluation number on."""

from __future__ import annotations

from teetee.chain.contracts.collateral import PlatformKind
from teetee.chain.contracts.registry import Registry
from teetee.collateral.rechecks import enlisted_shards
from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import ModelId


def parse_platform_kind(fmspc: str, pce_id: bytes = bytes(2)) -> PlatformKind:
    """From 12 hex digits; all known TDX platforms have PCE id 0. Raises `FieldInvalid`."""
    try:
        digits = bytes.fromhex(fmspc)
    except ValueError:
        digits = b""
    if len(digits) != 6:
        raise FieldInvalid("FMSPC", "must be 12 hex digits")
    return PlatformKind(digits, pce_id)


def platform_kinds_of_shards(registry: Registry) -> set[PlatformKind]:
    """The platform kinds of all shards that have not left and can be read."""
    claims = [registry.claims(shard) for shard in enlisted_shards(registry)]
    return {PlatformKind(each.fmspc, each.pce_id) for each in claims}


def highest_minimum_evaluation_number(registry: Registry) -> int:
    """The highest minimum of all models' policies; 0 if none has one."""
    numbers = range(1, registry.model_count() + 1)
    policies = (registry.policy(ModelId(number)) for number in numbers)
    return max((policy.minimum_evaluation_number for policy in policies), default=0)
