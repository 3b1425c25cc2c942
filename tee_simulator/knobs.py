"""What the simulated Intel says about its platforms, to be changed while it runs: revoke, lower,
roll on, let end.

Given to the collateral service by `POST /simulator/knobs` with any of these members; what is left
out stays as it is:

    {"revokedSerials": ["3c16…"], "isAuthorityRevoked": false, "tcbStatus": "OutOfDate",
     "advisoryIds": ["INTEL-SA-00000"], "evaluationNumber": 21, "lifeSeconds": 90}
"""

import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Self

from tee_simulator.errors import KnobsInvalid

EVALUATION_NUMBER = 20
LIFE = timedelta(days=30)
"""Intel's collateral lives 30 days, its root CRL about a year."""
ROOT_CRL_LIFE = timedelta(days=365)

STATUSES = frozenset(
    {
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
        "Revoked",
    }
)
_SERIAL = re.compile(r"[0-9a-fA-F]{1,40}")


@dataclass(frozen=True)
class Knobs:
    """As Intel begins: all is well."""

    revoked_serials: frozenset[int] = frozenset()
    """Of PCK leaves, on the Platform CA's list."""
    is_authority_revoked: bool = False
    """Whether the Platform CA is on the root's list."""
    tcb_status: str = "UpToDate"
    """Of the one level, which simulated machines are at."""
    advisory_ids: tuple[str, ...] = ()
    evaluation_number: int = EVALUATION_NUMBER
    life: timedelta | None = None
    """Of everything that is issued from now on; None: 30 days, the root CRL a year."""

    def turned(self, document: bytes) -> Self:
        """With the changes of a JSON document. Raises `KnobsInvalid`."""
        try:
            changes = json.loads(document.decode("utf-8"))
        except ValueError:
            raise KnobsInvalid("is not JSON") from None
        if not isinstance(changes, dict):
            raise KnobsInvalid("is not an object")
        unknown = changes.keys() - _READERS.keys()
        if unknown:
            raise KnobsInvalid(f"names {', '.join(sorted(unknown))}")
        fields = {}
        for name, value in changes.items():
            field, reader = _READERS[name]
            try:
                fields[field] = reader(value)
            except (ValueError, TypeError, OverflowError):
                raise KnobsInvalid(f"has a {name} that is none") from None
        return replace(self, **fields)


def _serials(value: Any) -> frozenset[int]:
    if not isinstance(value, list) or not all(_SERIAL.fullmatch(each) for each in value):
        raise ValueError("not a list of serial numbers")
    serials = frozenset(int(each, 16) for each in value)
    if not all(0 < serial < 1 << 159 for serial in serials):
        raise ValueError("not serial numbers as RFC 5280 has them")
    return serials


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("not a truth value")
    return value


def _status(value: Any) -> str:
    if value not in STATUSES:
        raise ValueError("not a status")
    return str(value)


def _advisories(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(re.fullmatch(r"INTEL-SA-\d{5}", e) for e in value):
        raise ValueError("not advisories")
    return tuple(value)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
        raise ValueError("not a number")
    return value


def _life(value: Any) -> timedelta | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError("not a count of seconds")
    return timedelta(seconds=value)


_READERS: dict[str, tuple[str, Any]] = {
    "revokedSerials": ("revoked_serials", _serials),
    "isAuthorityRevoked": ("is_authority_revoked", _truth),
    "tcbStatus": ("tcb_status", _status),
    "advisoryIds": ("advisory_ids", _advisories),
    "evaluationNumber": ("evaluation_number", _number),
    "lifeSeconds": ("life", _life),
}
