# SPDX-License-Identifier: Apache-2.0
"""The chain's store of Intel's collateral, and calls that update it. Anyone may call them: Intel's
signature is the only authority.

The verifier itself is the store. A verifier that stores no collateral (an adapter to other
contracts) refuses these reads.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.contracts.long_crls import LongCrls
from teetee.chain.deployment import Deployment
from teetee.chain.types.blocks import Block

QE_IDENTITIES: Final = (bytes(6), bytes(2))
"""What `evaluationNumbers` takes in place of a platform's FMSPC and PCE id."""


@dataclass(frozen=True, slots=True)
class StoredCollateral:
    """The validity period of stored collateral, Unix seconds."""

    issued_at: int
    next_update: int

    @property
    def exists(self) -> bool:
        """Whether the chain has any."""
        return self.issued_at != 0


@dataclass(frozen=True, slots=True)
class PlatformKind:
    """The platforms that share a TCB info."""

    fmspc: bytes
    """6 bytes."""
    pce_id: bytes
    """2 bytes."""

    def __str__(self) -> str:
        return self.fmspc.hex().upper()


class CollateralStore:
    """Reads and calls of the verifier's store. Without `at`, reads are of the newest block."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self.contract = connection.contract("DcapVerifier", deployment.verifier)

    @cached_property
    def long_crls(self) -> LongCrls:
        """Where revocation lists are uploaded in parts. The verifier created it."""
        return LongCrls(self._connection, str(self._read("longCrls", at=None)))

    def root_crl(self, at: Block | None = None) -> StoredCollateral:
        """The root's revocation list."""
        return _stored_collateral(self._read("rootCrl", at=at))

    def pck_crl(self, authority_id: bytes, at: Block | None = None) -> StoredCollateral:
        """An authority's revocation list. Raises `ContractRejected` for an unknown authority."""
        crl, usable_until, _ = self._read("pckCrl", authority_id, at=at)
        stored = _stored_collateral(crl)
        return StoredCollateral(stored.issued_at, min(stored.next_update, int(usable_until)))

    def tcb_info(
        self, kind: PlatformKind, number: int, at: Block | None = None
    ) -> StoredCollateral:
        """The TCB info of that evaluation number."""
        return _stored_collateral(self._read("tcbInfo", kind.fmspc, kind.pce_id, number, at=at))

    def qe_identity(self, number: int, at: Block | None = None) -> StoredCollateral:
        """The QE identity of that evaluation number."""
        return _stored_collateral(self._read("qeIdentity", number, at=at))

    def tcb_info_numbers(self, kind: PlatformKind, at: Block | None = None) -> tuple[int, ...]:
        """The stored evaluation numbers, ascending."""
        return self._numbers(kind.fmspc, kind.pce_id, at)

    def qe_identity_numbers(self, at: Block | None = None) -> tuple[int, ...]:
        """The stored evaluation numbers, ascending."""
        return self._numbers(*QE_IDENTITIES, at)

    # ------------------------------------------------------------ calls

    def update_root_crl(self, der: bytes) -> Call:
        """Upload a newer one."""
        return encode_call(self.contract, "updateRootCrl", der)

    def update_pck_crl(self, der: bytes, authority_id: bytes) -> Call:
        """Upload a newer one; the root's must be in force."""
        return encode_call(self.contract, "updatePckCrl", der, authority_id)

    def update_long_pck_crl(self, crl: dict[str, Any], authority_id: bytes) -> Call:
        """Upload a newer one whose entries `long_crls` has, sorted; the fields of LongCrl."""
        return encode_call(self.contract, "updateLongPckCrl", crl, authority_id)

    def update_tcb_info(self, text: str, signature: bytes, signer_id: bytes) -> Call:
        """Upload a newer one; its signer must be stored, the root's list in force."""
        return encode_call(self.contract, "updateTcbInfo", text.encode(), signature, signer_id)

    def update_qe_identity(self, text: str, signature: bytes, signer_id: bytes) -> Call:
        """Upload a newer one; conditions as for `update_tcb_info`."""
        return encode_call(self.contract, "updateQeIdentity", text.encode(), signature, signer_id)

    # ------------------------------------------------------------ private

    def _numbers(self, fmspc: bytes, pce_id: bytes, at: Block | None) -> tuple[int, ...]:
        return numbers_in(int(self._read("evaluationNumbers", fmspc, pce_id, at=at)))

    def _read(self, function: str, *arguments: Any, at: Block | None) -> Any:
        return self._connection.read(self.contract, function, *arguments, at=at)


def numbers_in(mask: int) -> tuple[int, ...]:
    """The evaluation numbers in a mask of `evaluationNumbers`, ascending."""
    return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)


def _stored_collateral(item: Any) -> StoredCollateral:
    return StoredCollateral(int(item.issuedAt), int(item.nextUpdate))
