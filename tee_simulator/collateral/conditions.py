# SPDX-License-Identifier: Apache-2.0
"""Conditions to simulate: switches that make Intel's collateral turn against a platform, to try how
a network reacts. SIMULATED: Intel has no such switches.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from tee_simulator.errors import ConditionsInvalid

FILE: Final = "conditions.json"

STANDARD_NUMBER: Final = 20
STATUSES: Final = (
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
)
"""Intel's names for the status of a TCB level."""
_REVOKED_PCKS_RULE: Final = "revoked_pcks must be a list of positive numbers in hex"
ENCLAVE_STATUSES: Final = ("UpToDate", "OutOfDate", "Revoked")
"""The same for a TDX module or a quoting enclave."""


@dataclass(frozen=True)
class Conditions:
    """The simulated conditions; by default, everything is in order. The JSON has the same names."""

    evaluation_number: int = STANDARD_NUMBER
    """The evaluation number of the standard set."""
    early_number: int | None = None
    """The evaluation number of the early set (`update=early`); None: that of the standard set."""
    early_status: str = "OutOfDate"
    """The machines' status in the early set, which requires one version more than they have."""
    platform_status: str = "UpToDate"
    """Their status in the standard set. Any status but UpToDate requires one version more."""
    module_status: str = "UpToDate"
    qe_status: str = "UpToDate"
    revoked_pcks: tuple[str, ...] = ()
    """Serial numbers of revoked PCK certificates, in hex."""
    platform_ca_revoked: bool = False
    tcb_signing_revoked: bool = False
    expired: bool = False
    """Whether all collateral expired yesterday."""
    life_seconds: int | None = None
    """How long collateral stays in force from now; None for 29 days (root CRL: a year)."""

    def __post_init__(self) -> None:
        named: dict[str, tuple[str, ...]] = {
            "platform_status": STATUSES,
            "early_status": STATUSES,
            "module_status": ENCLAVE_STATUSES,
            "qe_status": ENCLAVE_STATUSES,
        }
        for name, allowed in named.items():
            if getattr(self, name) not in allowed:
                raise ConditionsInvalid(f"{name} must be one of {', '.join(allowed)}")
        for name in ("evaluation_number", "early_number"):
            value = getattr(self, name)
            if value is not None and not (type(value) is int and 0 <= value <= 255):
                raise ConditionsInvalid(f"{name} must be an integer from 0 to 255")
        life = self.life_seconds
        if life is not None and not (type(life) is int and 0 < life < 1 << 31):
            raise ConditionsInvalid("life_seconds must be a positive integer")
        for name in ("platform_ca_revoked", "tcb_signing_revoked", "expired"):
            if type(getattr(self, name)) is not bool:
                raise ConditionsInvalid(f"{name} must be true or false")
        try:
            if any(int(serial, 16) <= 0 for serial in self.revoked_pcks):
                raise ValueError
        except (TypeError, ValueError):
            raise ConditionsInvalid(_REVOKED_PCKS_RULE) from None

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Conditions from JSON; missing fields keep their defaults. Raises `ConditionsInvalid`."""
        try:
            named: Any = json.loads(text)
        except ValueError:
            raise ConditionsInvalid("the conditions must be JSON") from None
        if not isinstance(named, dict):
            raise ConditionsInvalid("the conditions must be a JSON object")
        unknown = set(named) - {field.name for field in fields(cls)}
        if unknown:
            raise ConditionsInvalid(f"there is no condition {', '.join(sorted(unknown))}")
        if "revoked_pcks" in named:
            if not isinstance(named["revoked_pcks"], list):
                raise ConditionsInvalid(_REVOKED_PCKS_RULE)
            named["revoked_pcks"] = tuple(named["revoked_pcks"])
        return cls(**named)

    def to_json(self) -> str:
        """All conditions as JSON."""
        return json.dumps(asdict(self))

    def number(self, early: bool) -> int:
        """The evaluation number of the standard or the early set."""
        if early and self.early_number is not None:
            return self.early_number
        return self.evaluation_number

    def status(self, early: bool) -> str:
        """The machines' status in the standard or the early set."""
        if early and self.early_number is not None:
            return self.early_status
        return self.platform_status


class ConditionsFile:
    """The conditions in force, kept in the folder of the test PKI."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE

    def read(self) -> Conditions:
        """The conditions in force. Raises `ConditionsInvalid`."""
        try:
            return Conditions.parse(self.path.read_bytes())
        except FileNotFoundError:
            return Conditions()

    def write(self, conditions: Conditions) -> None:
        """Sets the conditions, effective from the next request."""
        draft = self.path.with_suffix(".draft")
        draft.write_text(conditions.to_json(), encoding="utf-8")
        draft.replace(self.path)
