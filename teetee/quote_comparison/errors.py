# SPDX-License-Identifier: Apache-2.0
"""Why no verdict can be given at all. A quote that is refused is no error.

VerdictError (Fatal)
├── ContractsNotCompiled      no bytecode to deploy
├── NoAnvil                   no anvil to deploy it on, or it does not answer
├── PrivateChainFailed        anvil refused what it should do
└── TimeImpossible            no second at which a chain can be
"""

from teetee.errors import Fatal


class VerdictError(Fatal):
    """Nothing was judged."""


class ContractsNotCompiled(VerdictError):
    """No bytecode to deploy."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        super().__init__(f"{name} is not compiled: {path} is missing. Run `make contracts`.")


class NoAnvil(VerdictError):
    """No anvil, or it does not answer."""

    def __init__(self, program: str, reason: str) -> None:
        super().__init__(
            f"The private chain cannot be started: {program} {reason}. Run `make setup`."
        )


class TimeImpossible(VerdictError):
    """No second at which a chain can be."""

    def __init__(self, at: int, last: int) -> None:
        self.at = at
        super().__init__(
            f"{at} is no Unix second between 0 and {last}. Give seconds since 1970, not "
            "milliseconds: `date +%s` prints those of now."
        )


class PrivateChainFailed(VerdictError):
    """anvil refused what it should do."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(
            f"The private chain refused {method}: {reason}. This is a fault of TeeTee: report it, "
            "please."
        )
