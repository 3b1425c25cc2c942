# SPDX-License-Identifier: Apache-2.0
"""What the chain keeps of Intel's collateral, and the calls that bring newer: by anyone, because
Intel's signature is the only authority.

The verifier itself is the store. One that keeps no collateral (an adapter to somebody else's
contracts) refuses these reads.
"""

from dataclasses import dataclass
from typing import Any

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Block, Connection
from teetee.chain.deployment import Deployment


@dataclass(frozen=True, slots=True)
class StoredCollateral:
    """Since when, and until when something that the chain keeps is in force; Unix seconds."""

    issued_at: int
    next_update: int

    @property
    def exists(self) -> bool:
        """Whether there is one at all."""
        return self.issued_at != 0


@dataclass(frozen=True, slots=True)
class PlatformKind:
    """All platforms that one TCB info is about."""

    fmspc: bytes
    """6 bytes."""
    pce_id: bytes
    """2 bytes."""

    def __str__(self) -> str:
        return self.fmspc.hex().upper()


class CollateralStore:
    """Reads and calls of the verifier's store. Reads without `at` are of the newest block."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self.contract = connection.contract("DcapVerifier", deployment.verifier)

    def root_crl(self, at: Block | None = None) -> StoredCollateral:
        """The root's revocation list."""
        return _stored_collateral(self._read("rootCrl", at=at))

    def pck_crl(self, authority_id: bytes, at: Block | None = None) -> StoredCollateral:
        """An authority's revocation list. Raises `ContractRejected` for an unknown authority."""
        crl, usable_until, _ = self._read("pckCrl", authority_id, at=at)
        kept = _stored_collateral(crl)
        return StoredCollateral(kept.issued_at, min(kept.next_update, int(usable_until)))

    def tcb_info(
        self, kind: PlatformKind, number: int, at: Block | None = None
    ) -> StoredCollateral:
        """The TCB info of that evaluation number."""
        return _stored_collateral(self._read("tcbInfo", kind.fmspc, kind.pce_id, number, at=at))

    def qe_identity(self, number: int, at: Block | None = None) -> StoredCollateral:
        """The QE identity of that evaluation number."""
        return _stored_collateral(self._read("qeIdentity", number, at=at))

    def tcb_info_numbers(self, kind: PlatformKind, at: Block | None = None) -> tuple[int, ...]:
        """Which evaluation numbers are kept, ascending."""
        return self._numbers(kind.fmspc, kind.pce_id, at)

    def qe_identity_numbers(self, at: Block | None = None) -> tuple[int, ...]:
        """Which evaluation numbers are kept, ascending."""
        return self._numbers(bytes(6), bytes(2), at)

    # ------------------------------------------------------------ calls

    def update_root_crl(self, der: bytes) -> Call:
        """Brings a newer one."""
        return encode_call(self.contract, "updateRootCrl", der)

    def update_pck_crl(self, der: bytes, authority_id: bytes) -> Call:
        """Brings a newer one; the root's has to be in force."""
        return encode_call(self.contract, "updatePckCrl", der, authority_id)

    def update_tcb_info(self, text: str, signature: bytes, signer_id: bytes) -> Call:
        """Brings a newer one; its signer has to be stored, the root's list in force."""
        return encode_call(self.contract, "updateTcbInfo", text.encode(), signature, signer_id)

    def update_qe_identity(self, text: str, signature: bytes, signer_id: bytes) -> Call:
        """Brings a newer one, as `update_tcb_info` does."""
        return encode_call(self.contract, "updateQeIdentity", text.encode(), signature, signer_id)

    # ------------------------------------------------------------ private

    def _numbers(self, fmspc: bytes, pce_id: bytes, at: Block | None) -> tuple[int, ...]:
        mask = int(self._read("evaluationNumbers", fmspc, pce_id, at=at))
        return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)

    def _read(self, function: str, *arguments: Any, at: Block | None) -> Any:
        return self._connection.read(self.contract, function, *arguments, at=at)


def _stored_collateral(item: Any) -> StoredCollateral:
    return StoredCollateral(int(item.issuedAt), int(item.nextUpdate))
