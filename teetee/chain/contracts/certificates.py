# SPDX-License-Identifier: Apache-2.0
"""The chain's store of PCK certificates, from which quotes are rebuilt.

The contract verified each certificate before storing it. Only events contain the DER.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from eth_utils.crypto import keccak

from teetee.chain.calldata import Call, encode_call
from teetee.chain.connection import Connection
from teetee.chain.contract_errors import ContractRejected
from teetee.chain.contracts.collateral import PlatformKind
from teetee.chain.deployment import Deployment
from teetee.chain.errors import LogMissing
from teetee.chain.logs import WHOLE_CHAIN, read_logs
from teetee.chain.types.abi_fields import from_abi
from teetee.quotes.claims import PckRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateChain:
    """DER of the certificates from a platform's leaf to the pinned root."""

    leaf: bytes
    authority: bytes
    root: bytes


class Certificates:
    """Reads and calls of the certificate store."""

    def __init__(self, connection: Connection, deployment: Deployment) -> None:
        self._connection = connection
        self._first_block = deployment.deployed_at_block
        self.contract = connection.contract("PckCertificates", deployment.certificates)

    def has_leaf(self, pck_id: bytes) -> bool:
        """Whether a PCK certificate is stored, by keccak256 of its tbsCertificate."""
        return bool(self._connection.read(self.contract, "hasPckCertificate", pck_id))

    def has_authority(self, authority_id: bytes) -> bool:
        """Whether an authority is stored, by keccak256 of its tbsCertificate."""
        return bool(self._connection.read(self.contract, "hasAuthority", authority_id))

    def has_collateral_signer(self, signer_id: bytes) -> bool:
        """Whether a signer of TCB info and QE identities is stored, by keccak256 of its
        tbsCertificate."""
        try:
            self._connection.read(self.contract, "collateralSigner", signer_id)
        except ContractRejected as rejected:
            if rejected.name == "CollateralSignerUnknown":
                return False
            raise
        return True

    def platform_kind(self, pck_id: bytes) -> PlatformKind:
        """The platform's kind, which selects its TCB info. Raises `ContractRejected`."""
        record = self.record(pck_id)
        return PlatformKind(record.fmspc, record.pce_id)

    def record(self, pck_id: bytes) -> PckRecord:
        """The stored fields of a PCK certificate, part of a quote's claims. Raises
        `ContractRejected`."""
        stored = self._connection.read(self.contract, "pckCertificate", pck_id)
        return from_abi(PckRecord, stored._asdict(), platform_id=keccak(stored.ppid))

    def authority_ids(self) -> tuple[bytes, ...]:
        """The ids of all stored authorities of PCK certificates."""
        return tuple(self._ids("authorityIdAt"))

    def chain(self, pck_id: bytes) -> CertificateChain:
        """The certificate chain of a platform. Raises `LogMissing`."""
        leaf = self._event("PckCertificateAdded", pckId=pck_id)
        authority = self._event("AuthorityAdded", authorityId=leaf["authorityId"])
        return CertificateChain(
            leaf=leaf["der"], authority=authority["der"], root=self._event("RootPinned")["der"]
        )

    def add_authority(self, der: bytes) -> Call:
        """By anyone; does nothing if it is stored already."""
        return encode_call(self.contract, "addAuthority", der)

    def add_leaf(self, der: bytes, authority_id: bytes) -> Call:
        """By anyone; does nothing if it is stored already."""
        return encode_call(self.contract, "addPckCertificate", der, authority_id)

    def add_collateral_signer(self, der: bytes) -> Call:
        """By anyone; does nothing if it is stored already."""
        return encode_call(self.contract, "addCollateralSigner", der)

    def _ids(self, view: str) -> Iterator[bytes]:
        for index in count(1):
            found = bytes(self._connection.read(self.contract, view, index))
            if not any(found):
                return
            yield found

    def _event(self, event: str, **indexed: Any) -> dict[str, Any]:
        head = self._connection.head().number
        logs = read_logs(
            self._connection,
            self.contract,
            event,
            first_block=self._first_block,
            last_block=head,
            blocks_per_range=WHOLE_CHAIN,
            **indexed,
        )
        for log in logs:
            return dict(log.arguments)
        raise LogMissing(event, self._first_block)
