# SPDX-License-Identifier: Apache-2.0
"""The usage token: balances, allowances, and permits, which pay without an approval. Amounts are
token wei.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.deployment import Deployment
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


class Token:
    """Reads, signatures and calls of the usage token. Without `at`: of the newest block."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self._address = deployment.token
        self.contract = connection.contract("UsageToken", deployment.token)

    def balance_of(self, address: str, at: Block | None = None) -> int:
        """Token wei."""
        return int(self._read("balanceOf", address, at=at))

    def allowance(self, owner: str, spender: str, at: Block | None = None) -> int:
        """The amount that `spender` may transfer from `owner`."""
        return int(self._read("allowance", owner, spender, at=at))

    def faucet_amount(self) -> int:
        """Per claim; 0 if there is no faucet."""
        return int(self._read("FAUCET_AMOUNT")) if self._read("FAUCET_INTERVAL") else 0

    def sign_permit(
        self, owner: LocalAccount, *, spender: str, value: int, deadline: int
    ) -> Permit:
        """Sign with the owner's current nonce; using the permit invalidates other unused ones."""
        nonce = int(self._read("nonces", owner.address))
        struct = _PERMIT.hash(str(owner.address), spender, value, nonce, deadline)
        r, s, v = _rsv(owner, self._domain().digest(struct))
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

    def _domain(self) -> Domain:
        # Name and version come from the token (ERC-5267); chain and address must not.
        declared = self._read("eip712Domain")
        return Domain(declared.name, declared.version, self._connection.chain_id, self._address)

    def _read(self, function: str, *arguments: Any, at: Block | None = None) -> Any:
        return self._connection.read(self.contract, function, *arguments, at=at)


def _rsv(account: LocalAccount, digest: bytes) -> tuple[bytes, bytes, int]:
    signature = sign_digest(account, digest).to_rsv()
    return signature[:32], signature[32:64], signature[64]
