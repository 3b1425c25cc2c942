# SPDX-License-Identifier: Apache-2.0
"""The errors of the scripts, besides those of `teetee`, ape and the contracts.

    TeeTeeError
    ├── Retryable
    │   ├── NoticeNotOver          announced; the notice period has not passed
    │   └── PolicyChanged          another account changed the policy during the notice
    └── Fatal
        ├── NoAccount              no account to send from
        ├── TemporaryChainEmpty    no contracts on the temporary chain that ape started
        ├── HolderNotNamed         this network has no default holder for a role
        ├── TermsInvalid           terms of a deployment that the contracts would refuse
        ├── AlreadyDeployed        a live deployment is not overwritten by accident
        ├── RootCaInvalid          the file is not one self-signed certificate
        ├── SimulatedRootRefused   a root other than Intel's on a live network
        ├── WiringWrong            the chain differs from what was deployed
        ├── NotPublished           the explorer did not accept a source
        ├── RoleMissing            the account does not hold the required role
        ├── OperationUnknown       no such operation is scheduled
        ├── PolicyLoosened         an immediate change may only tighten a policy
        ├── CollateralAgeUnknown   a policy that the deployed verifier cannot check
        └── EvaluationNumberUnknown  no collateral tells which number a new model should demand

`friendly_errors` prints any of them as one message and ends with status 1.
"""

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

import click

from teetee.errors import Fatal, Retryable, TeeTeeError

P = ParamSpec("P")
R = TypeVar("R")


def friendly_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command print an error's message instead of a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except TeeTeeError as error:
            raise click.ClickException(str(error)) from error

    return wrapped


class NoticeNotOver(Retryable):
    """Announced; the notice period has not passed."""

    def __init__(self, function: str, ready_at: int) -> None:
        self.ready_at = ready_at
        time = datetime.fromtimestamp(ready_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        super().__init__(
            f"{function} is announced and can be done from {time} on. Repeat the command then."
        )


class PolicyChanged(Retryable):
    """Another account changed the policy during the notice."""

    def __init__(self, model_id: int) -> None:
        super().__init__(
            f"The policy of model {model_id} changed during the notice, and the announced policy "
            "would undo that change: nothing was done. Repeat the command to announce it on top of "
            "the present policy, and cancel the older announcement."
        )


class NoAccount(Fatal):
    """No account to send from."""

    def __init__(self, network: str, name: str | None = None) -> None:
        missing = f"there is no account {name}" if name else "no account to send from is named"
        super().__init__(
            f"On {network} {missing}. Name one that `ape accounts list` shows with --account "
            "ALIAS, or put a private key into TEETEE_PRIVATE_KEY."
        )


class TemporaryChainEmpty(Fatal):
    """No contracts on the temporary chain that ape started."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"{missing}: no chain was named, so ape started a temporary one for this command. To "
            "use the world of `make world`: `source build/world.env`. To use another local chain: "
            "APE_FOUNDRY_HOST=http://127.0.0.1:PORT. To use a live one: --network "
            "base:sepolia:node."
        )


class HolderNotNamed(Fatal):
    """This network has no default holder for a role."""

    def __init__(self, network: str, options: list[str]) -> None:
        super().__init__(
            f"On {network} the deployer does not hold roles by default. "
            f"Name the holders: {', '.join(options)}."
        )


class TermsInvalid(Fatal):
    """Terms that the contracts would refuse, or that break a promise to users."""

    def __init__(self, term: str, rule: str) -> None:
        super().__init__(f"--{term.replace('_', '-')} {rule}. Nothing was sent.")


class AlreadyDeployed(Fatal):
    """A live deployment is not overwritten by accident."""

    def __init__(self, network: str, path: str) -> None:
        super().__init__(
            f"{path} already names contracts on {network}. Use those; or deploy new ones with "
            "--replace, which leaves models, shards and deposits with the old ones."
        )


class RootCaInvalid(Fatal):
    """The file is not one self-signed certificate."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(
            f"{path} is not a root certificate: {rule}. Give the root alone, as PEM or DER."
        )


class SimulatedRootRefused(Fatal):
    """A root other than Intel's on a live network."""

    def __init__(self, network: str) -> None:
        super().__init__(
            f"On {network} quotes must chain to Intel's root: the owner of another root's key can "
            "forge every quote. Leave --root-ca out. To try simulated enclaves there, add "
            "--i-know-quotes-can-be-forged."
        )


class WiringWrong(Fatal):
    """The chain differs from what was deployed."""

    def __init__(self, fact: str, expected: object, actual: object) -> None:
        self.fact = fact
        super().__init__(
            f"{fact} is {actual}, but should be {expected}. Do not use these contracts: no "
            "deployment file names them. Find the cause and deploy again."
        )


class NotPublished(Fatal):
    """The explorer did not accept a source."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            "The contracts are deployed and the deployment file is written, but the sources of "
            f"{', '.join(names)} are not published. Verify them at sourcify.dev by hand; do not "
            "deploy again."
        )


class RoleMissing(Fatal):
    """The account does not hold the required role."""

    def __init__(self, account: str, function: str, role: str) -> None:
        super().__init__(
            f"{account} does not hold the role {role}, which {function} needs. "
            "`ape run admin roles` lists the holders."
        )


class OperationUnknown(Fatal):
    """No such operation is scheduled."""

    def __init__(self, operation: str) -> None:
        super().__init__(
            f"No operation {operation} is waiting: it is done, cancelled, expired or was never "
            "announced. `ape run admin pending` lists the announcements."
        )


class PolicyLoosened(Fatal):
    """An immediate change may only tighten a policy."""

    def __init__(self, looser: list[str]) -> None:
        super().__init__(
            f"This would loosen the policy: {'; '.join(looser)}. tighten-policy takes effect "
            "immediately and may only tighten; `ape run admin set-policy` does both, with notice. "
            "Nothing was sent."
        )


class CollateralAgeUnknown(Fatal):
    """A policy that the deployed verifier cannot check."""

    def __init__(self, automata: str) -> None:
        super().__init__(
            f"Quotes are verified by Automata's contract {automata}, which does not say how old "
            "collateral is: with a maximum age, no quote would be accepted. Leave it at 0. Nothing "
            "was sent."
        )


class EvaluationNumberUnknown(Fatal):
    """No collateral tells which number a new model should demand."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"There is no minimum evaluation number to propose: {reason}. Upload collateral first "
            "(`teetee collateral sync`), or state the number with --minimum-evaluation-number; 0 "
            "accepts every set that Intel keeps in force. Nothing was sent."
        )
