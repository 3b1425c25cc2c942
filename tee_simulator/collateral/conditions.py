# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in the simulated world: knobs for trying what a network does when Intel's
collateral turns against a platform. SIMULATED, all of it; Intel has no such switches.
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
"""Intel's words for what a TCB level can be."""
ENCLAVE_STATUSES: Final = ("UpToDate", "OutOfDate", "Revoked")
"""The same for a TDX module or a quoting enclave."""


@dataclass(frozen=True)
class Conditions:
    """All as it should be, unless said otherwise. As JSON: these names."""

    evaluation_number: int = STANDARD_NUMBER
    """Of what is served without `update=early`."""
    early_number: int | None = None
    """Of what is served with it; None: the same."""
    early_status: str = "OutOfDate"
    """How the machines stand in the early set, which asks for one version more than they have."""
    platform_status: str = "UpToDate"
    """How they stand in the standard one. Anything but UpToDate asks for one version more."""
    module_status: str = "UpToDate"
    qe_status: str = "UpToDate"
    revoked_pcks: tuple[str, ...] = ()
    """Serial numbers of PCK certificates, hex."""
    platform_ca_revoked: bool = False
    tcb_signing_revoked: bool = False
    expired: bool = False
    """Whether all collateral ended yesterday."""
    life_seconds: int | None = None
    """How long all collateral stays in force from now on; None: 29 days, the root CRL a year."""

    def __post_init__(self) -> None:
        named: dict[str, tuple[str, ...]] = {
            "platform_status": STATUSES,
            "early_status": STATUSES,
            "module_status": ENCLAVE_STATUSES,
            "qe_status": ENCLAVE_STATUSES,
        }
        for name, allowed in named.items():
            if getattr(self, name) not in allowed:
                raise ConditionsInvalid(f"{name} is none of {', '.join(allowed)}")
        for name in ("evaluation_number", "early_number"):
            value = getattr(self, name)
            if value is not None and not (type(value) is int and 0 <= value <= 255):
                raise ConditionsInvalid(f"{name} is not a number from 0 to 255")
        life = self.life_seconds
        if life is not None and not (type(life) is int and 0 < life < 1 << 31):
            raise ConditionsInvalid("life_seconds is no number of seconds")
        for name in ("platform_ca_revoked", "tcb_signing_revoked", "expired"):
            if type(getattr(self, name)) is not bool:
                raise ConditionsInvalid(f"{name} is neither true nor false")
        try:
            if any(int(serial, 16) <= 0 for serial in self.revoked_pcks):
                raise ValueError
        except (TypeError, ValueError):
            raise ConditionsInvalid("revoked_pcks are not positive numbers in hex") from None

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """From JSON; what isn't named is as it should be. Raises `ConditionsInvalid`."""
        try:
            named: Any = json.loads(text)
        except ValueError:
            raise ConditionsInvalid("is not JSON") from None
        if not isinstance(named, dict):
            raise ConditionsInvalid("is not a JSON object")
        unknown = set(named) - {field.name for field in fields(cls)}
        if unknown:
            raise ConditionsInvalid(f"{', '.join(sorted(unknown))}: no such condition")
        if "revoked_pcks" in named:
            if not isinstance(named["revoked_pcks"], list):
                raise ConditionsInvalid("revoked_pcks are not positive numbers in hex")
            named["revoked_pcks"] = tuple(named["revoked_pcks"])
        return cls(**named)

    def to_json(self) -> str:
        """All of them."""
        return json.dumps(asdict(self))

    def number(self, early: bool) -> int:
        """The evaluation number of the standard or the early set."""
        if early and self.early_number is not None:
            return self.early_number
        return self.evaluation_number

    def status(self, early: bool) -> str:
        """How the machines stand in that set."""
        if early and self.early_number is not None:
            return self.early_status
        return self.platform_status


class ConditionsFile:
    """The conditions in force, in the folder of the test PKI: who may write there may change
    them."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE

    def read(self) -> Conditions:
        """Raises `ConditionsInvalid`."""
        try:
            return Conditions.parse(self.path.read_bytes())
        except FileNotFoundError:
            return Conditions()

    def write(self, conditions: Conditions) -> None:
        """From the next question on."""
        draft = self.path.with_suffix(".draft")
        draft.write_text(conditions.to_json(), encoding="utf-8")
        draft.replace(self.path)
