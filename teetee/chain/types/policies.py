# SPDX-License-Identifier: Apache-2.0
"""A model's requirements for the platforms and paths that serve it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from teetee.protocol.path import Spread
from teetee.quotes.tcb_status import TcbStatus

MEMBERS = (
    "acceptedStatuses",
    "minimumEvaluationNumber",
    "maxCollateralAge",
    "allowedTdAttributes",
    "allowedXfam",
    "onlyListedPlatforms",
    "minHosts",
    "minPlatforms",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationPolicy:
    """As in contracts/types/AttestationPolicy.sol."""

    accepted: frozenset[TcbStatus]
    minimum_evaluation_number: int
    max_collateral_age: int
    """Seconds since Intel issued it; 0: until it expires."""
    allowed_td_attributes: bytes
    allowed_xfam: bytes
    """Masks of 8 bytes, in the byte order of the quote."""
    only_listed_platforms: bool
    min_hosts: int
    min_platforms: int
    """How many different ones a path needs to be paid; 0 means 1."""

    @property
    def spread(self) -> Spread:
        """Its requirements for paths."""
        return Spread(max(1, self.min_hosts), max(1, self.min_platforms))

    @classmethod
    def from_struct(cls, stored: Any) -> Self:
        """From the struct that a read returns."""
        return cls.from_members([getattr(stored, name) for name in MEMBERS])

    @classmethod
    def from_members(cls, members: Sequence[Any]) -> Self:
        """From the members in order, as in decoded calldata."""
        statuses, number, age, td_attributes, xfam, only_listed, hosts, platforms = members
        return cls(
            accepted=frozenset(status for status in TcbStatus if statuses >> status.value & 1),
            minimum_evaluation_number=number,
            max_collateral_age=age,
            allowed_td_attributes=bytes(td_attributes),
            allowed_xfam=bytes(xfam),
            only_listed_platforms=only_listed,
            min_hosts=hosts,
            min_platforms=platforms,
        )

    def to_abi(self) -> tuple[int, int, int, bytes, bytes, bool, int, int]:
        """The struct's members, in order."""
        return (
            sum(1 << status.value for status in self.accepted),
            self.minimum_evaluation_number,
            self.max_collateral_age,
            self.allowed_td_attributes,
            self.allowed_xfam,
            self.only_listed_platforms,
            self.min_hosts,
            self.min_platforms,
        )
