# SPDX-License-Identifier: Apache-2.0
"""A platform's TCB status, as Intel's collateral rates it."""

from enum import Enum
from typing import Final


class TcbStatus(Enum):
    """Values as in contracts/types/VerifiedQuote.sol, worst last."""

    UNCHECKED = 0
    """The verifier does not use collateral, or has none in force."""
    UP_TO_DATE = 1
    SW_HARDENING_NEEDED = 2
    CONFIGURATION_NEEDED = 3
    CONFIGURATION_AND_SW_HARDENING_NEEDED = 4
    RELAUNCH_ADVISED = 5
    """Up to date, but the TD was started before the update."""
    RELAUNCH_ADVISED_CONFIGURATION_NEEDED = 6
    OUT_OF_DATE = 7
    OUT_OF_DATE_CONFIGURATION_NEEDED = 8
    REVOKED = 9
    NOT_SUPPORTED = 10
    """Below every level that Intel lists, or with a module or quoting enclave not listed."""

    @property
    def intel_name(self) -> str:
        """As Intel, a PCCS and dcap-qvl spell it."""
        return _INTEL_NAMES[self]

    @property
    def is_acceptable(self) -> bool:
        """Whether a policy may accept it: Intel has rated the platform and not revoked it."""
        return self not in (TcbStatus.UNCHECKED, TcbStatus.REVOKED, TcbStatus.NOT_SUPPORTED)


_INTEL_NAMES: Final = {
    TcbStatus.UNCHECKED: "Unchecked",
    TcbStatus.UP_TO_DATE: "UpToDate",
    TcbStatus.SW_HARDENING_NEEDED: "SWHardeningNeeded",
    TcbStatus.CONFIGURATION_NEEDED: "ConfigurationNeeded",
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: "ConfigurationAndSWHardeningNeeded",
    TcbStatus.RELAUNCH_ADVISED: "TDRelaunchAdvised",
    TcbStatus.RELAUNCH_ADVISED_CONFIGURATION_NEEDED: "TDRelaunchAdvisedConfigurationNeeded",
    TcbStatus.OUT_OF_DATE: "OutOfDate",
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: "OutOfDateConfigurationNeeded",
    TcbStatus.REVOKED: "Revoked",
    TcbStatus.NOT_SUPPORTED: "NotSupported",
}
