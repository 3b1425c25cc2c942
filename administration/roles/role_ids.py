# SPDX-License-Identifier: Apache-2.0
"""Numbers and names of the roles.

What each role may do is defined in contracts/deployment/AccessSetup.sol and read from there.
"""

ADMIN, PUBLISHER, NOTICE_GIVER, GUARDIAN = range(4)
ROLE_NAMES = {
    ADMIN: "ADMIN",
    PUBLISHER: "PUBLISHER",
    NOTICE_GIVER: "NOTICE_GIVER",
    GUARDIAN: "GUARDIAN",
}


def role_id(name: str) -> int:
    """By its name, in upper or lower case."""
    return next(role for role, known in ROLE_NAMES.items() if known == name.upper())
