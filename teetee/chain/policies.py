"""What a model asks of the platforms that serve it, beside the images which it allows."""

from dataclasses import dataclass
from typing import Any, Self

from teetee.path import Spread
from teetee.quotes.tcb_status import TcbStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationPolicy:
    """As contracts/types/AttestationPolicy.sol has it."""

    accepted: frozenset[TcbStatus]
    minimum_evaluation_number: int
    max_collateral_age: int
    """Seconds since Intel issued it; 0: until its own end."""
    allowed_td_attributes: bytes
    allowed_xfam: bytes
    """Masks of 8 bytes, in the byte order of the quote."""
    only_listed_platforms: bool
    min_hosts: int
    min_platforms: int
    """How many different ones a path must have to be paid; 0 is 1."""

    @property
    def spread(self) -> Spread:
        """What it asks of paths."""
        return Spread(max(1, self.min_hosts), max(1, self.min_platforms))

    @classmethod
    def of(cls, stored: Any) -> Self:
        """From the struct as a read gives it."""
        return cls(
            accepted=frozenset(
                status for status in TcbStatus if stored.acceptedStatuses >> status.value & 1
            ),
            minimum_evaluation_number=stored.minimumEvaluationNumber,
            max_collateral_age=stored.maxCollateralAge,
            allowed_td_attributes=bytes(stored.allowedTdAttributes),
            allowed_xfam=bytes(stored.allowedXfam),
            only_listed_platforms=stored.onlyListedPlatforms,
            min_hosts=stored.minHosts,
            min_platforms=stored.minPlatforms,
        )
