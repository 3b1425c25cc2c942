# SPDX-License-Identifier: Apache-2.0
"""The usage token: balances, allowances, and permits, which pay without an approval. Amounts are
token wei.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.deployment import Deployment
from teetee.chain.read_batch import ReadBatch
from teetee.chain.types.blocks import Block
from teetee.protocol.signatures import sign_digest
from teetee.protocol.typed_data import Domain, StructType

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_PERMIT = StructType(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A signed ERC-2612 permit. If someone else submits it first, that does no harm."""

    value: int
    deadline: int
    """Unix seconds."""
    v: int
    r: bytes
    s: bytes


@dataclass(frozen=True, slots=True)
class PermitTerms:
    """The owner's nonce, and the names that the token gives itself for signatures."""

    nonce: int
    name: str
    version: str


class Token:
    """Reads, signatures and calls of the usage token. Without `at`: of the newest block."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self._address = deployment.token
        self.contract = connection.contract("UsageToken", deployment.token)

    def balance_of(self, address: str, at: Block | None = None) -> int:
        """Token wei."""
        return self.balance_in(self._connection.batch(at), address)()

    def balance_in(self, batch: ReadBatch, address: str) -> Callable[[], int]:
        """The same, read with others."""
        read = batch.add(self.contract, "balanceOf", address)
        return lambda: int(read())

    def allowance(self, owner: str, spender: str, at: Block | None = None) -> int:
        """The amount that `spender` may transfer from `owner`."""
        return self.allowance_in(self._connection.batch(at), owner, spender)()

    def allowance_in(self, batch: ReadBatch, owner: str, spender: str) -> Callable[[], int]:
        """The same, read with others."""
        read = batch.add(self.contract, "allowance", owner, spender)
        return lambda: int(read())

    def faucet_amount(self) -> int:
        """Per claim; 0 if there is no faucet."""
        batch = self._connection.batch()
        interval = batch.add(self.contract, "FAUCET_INTERVAL")
        amount = batch.add(self.contract, "FAUCET_AMOUNT")
        return int(amount()) if interval() else 0

    def sign_permit(
        self, owner: LocalAccount, *, spender: str, value: int, deadline: int
    ) -> Permit:
        """Sign with the owner's current nonce; using the permit invalidates other unused ones."""
        read = self.permit_terms_in(self._connection.batch(), str(owner.address))
        return self.sign_permit_on(read(), owner, spender=spender, value=value, deadline=deadline)

    def permit_terms_in(self, batch: ReadBatch, owner: str) -> Callable[[], PermitTerms]:
        """What the owner's next permit is bound to, read with others."""
        nonce = batch.add(self.contract, "nonces", owner)
        declared = batch.add(self.contract, "eip712Domain")
        return lambda: PermitTerms(int(nonce()), declared().name, declared().version)

    def sign_permit_on(
        self,
        terms: PermitTerms,
        owner: LocalAccount,
        *,
        spender: str,
        value: int,
        deadline: int,
    ) -> Permit:
        """Sign for terms that were read before."""
        # Name and version come from the token (ERC-5267); chain and address must not.
        domain = Domain(terms.name, terms.version, self._connection.chain_id, self._address)
        struct = _PERMIT.hash(str(owner.address), spender, value, terms.nonce, deadline)
        r, s, v = _rsv(owner, domain.digest(struct))
        return Permit(value=value, deadline=deadline, v=v, r=r, s=s)

    def approve(self, spender: str, amount: int) -> Call:
        """By the owner."""
        return encode_call(self.contract, "approve", spender, amount)

    def transfer(self, to: str, amount: int) -> Call:
        """By the owner."""
        return encode_call(self.contract, "transfer", to, amount)

    def claim(self) -> Call:
        """By anyone who wants test tokens."""
        return encode_call(self.contract, "claim")


def _rsv(account: LocalAccount, digest: bytes) -> tuple[bytes, bytes, int]:
    signature = sign_digest(account, digest).to_rsv()
    return signature[:32], signature[32:64], signature[64]
