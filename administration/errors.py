# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in a script, besides what `teetee`, ape and the contracts say themselves.

    TeeTeeError
    ├── Retryable
    │   ├── NoticeNotOver          announced, and the time has not come
    │   └── PolicyChanged          by somebody else, during the notice
    └── Fatal
        ├── NoAccount              nobody to send from
        ├── HolderNotNamed         who gets a role has to be said on this network
        ├── TermsInvalid           terms of a deployment which the contracts would refuse
        ├── AlreadyDeployed        a live deployment is not overwritten by accident
        ├── RootCaInvalid          not one self-signed certificate
        ├── SimulatedRootRefused   a root other than Intel's, where others trust the quotes
        ├── WiringWrong            the chain says something else than what was deployed
        ├── NotPublished           the explorer did not take a source
        ├── RoleMissing            the account may not do this
        ├── OperationUnknown       nothing is scheduled under that name
        ├── PolicyLoosened         what acts at once may only ask for more
        └── CollateralAgeUnknown   a policy that the verifier here could judge no quote by

`plainly` turns all of them into one line for a person, and exit status 1.
"""

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

import click

from teetee.errors import Fatal, Retryable, TeeTeeError

P = ParamSpec("P")
R = TypeVar("R")


def plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Let a command end with an error's message instead of a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except TeeTeeError as error:
            raise click.ClickException(str(error)) from error

    return wrapped


class NoticeNotOver(Retryable):
    """Announced, and the time has not come."""

    def __init__(self, act: str, ready_at: int) -> None:
        self.ready_at = ready_at
        time = datetime.fromtimestamp(ready_at, UTC).isoformat(" ")
        super().__init__(
            f"{act} is announced and can be done from {time} on. Repeat the same command then."
        )


class PolicyChanged(Retryable):
    """By somebody else, during the notice."""

    def __init__(self, model_id: int) -> None:
        super().__init__(
            f"Somebody changed the policy of model {model_id} during the notice, and what was "
            "announced would take that back: it was not done. Repeat the command to announce it "
            "with the policy as it is now, and cancel the older announcement."
        )


class NoAccount(Fatal):
    """Nobody to send from."""

    def __init__(self, network: str, name: str | None = None) -> None:
        found = f"there is no account {name}" if name else "nobody is named to send from"
        super().__init__(
            f"On {network} {found}. Name one that `ape accounts list` shows by --account ALIAS, or "
            "put a private key into TEETEE_PRIVATE_KEY."
        )


class HolderNotNamed(Fatal):
    """Who gets a role has to be said on this network."""

    def __init__(self, network: str, options: list[str]) -> None:
        super().__init__(
            f"On {network} roles are not the deployer's by default. Say {', '.join(options)}."
        )


class TermsInvalid(Fatal):
    """Terms which the contracts would refuse, or which break a promise to users."""

    def __init__(self, term: str, rule: str) -> None:
        super().__init__(f"--{term.replace('_', '-')} {rule}. Nothing was sent.")


class AlreadyDeployed(Fatal):
    """A live deployment is not overwritten by accident."""

    def __init__(self, network: str, path: str) -> None:
        super().__init__(
            f"{path} names contracts on {network} already. Use those; or say --replace to deploy "
            "new ones and forget the old: models, shards and deposits stay with the old ones."
        )


class RootCaInvalid(Fatal):
    """Not one self-signed certificate."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(
            f"{path} is no root certificate: {rule}. Give the root alone, as PEM or DER."
        )


class SimulatedRootRefused(Fatal):
    """A root other than Intel's, where others trust the quotes."""

    def __init__(self, network: str) -> None:
        super().__init__(
            f"On {network} quotes have to chain to Intel's root: with another one, whoever has its "
            "key can forge every quote. Leave --root-ca out. For a rehearsal with simulated "
            "enclaves say --i-know-quotes-can-be-forged."
        )


class WiringWrong(Fatal):
    """The chain says something else than what was deployed."""

    def __init__(self, fact: str, expected: object, actual: object) -> None:
        self.fact = fact
        super().__init__(
            f"{fact} is {actual}, and {expected} was meant. Do not use these contracts: they are "
            "in no deployment file. Find out why, and deploy again."
        )


class NotPublished(Fatal):
    """The explorer did not take a source."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            f"Deployed and written down, but the sources of {', '.join(names)} are not published. "
            "Verify them at sourcify.dev by hand; do not deploy again."
        )


class RoleMissing(Fatal):
    """The account may not do this."""

    def __init__(self, account: str, act: str, role: str) -> None:
        super().__init__(
            f"{account} does not hold the role {role}, which {act} needs. See `ape run admin "
            "roles` for who does."
        )


class OperationUnknown(Fatal):
    """Nothing is scheduled under that name."""

    def __init__(self, operation: str) -> None:
        super().__init__(
            f"No operation {operation} is waiting: it was done, cancelled, has expired, or never "
            "was. See `ape run admin pending`."
        )


class PolicyLoosened(Fatal):
    """What acts at once may only ask for more."""

    def __init__(self, looser: list[str]) -> None:
        super().__init__(
            f"That asks for less: {'; '.join(looser)}. tighten-policy acts at once and only asks "
            "for more; `ape run admin set-policy` does both, with notice. Nothing was sent."
        )


class CollateralAgeUnknown(Fatal):
    """A policy that the verifier here could judge no quote by."""

    def __init__(self, automata: str) -> None:
        super().__init__(
            f"Quotes are judged here by Automata's contract {automata}, which does not say how old "
            "collateral is: with a greatest age no quote would be accepted. Leave it at 0. Nothing "
            "was sent."
        )
