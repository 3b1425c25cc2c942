# SPDX-License-Identifier: Apache-2.0
"""The chain's own store of PCK certificates: what a quote needs to be rebuilt, and how to add to
it.

The contract verified each certificate before it took it in; the DER is in events alone.
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
from teetee.quotes.claims import PckRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateChain:
    """DER of the certificates from a platform's leaf up to the pinned root."""

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
        """Which TCB info a stored PCK certificate's platform is judged by. Raises
        `ContractRejected`."""
        facts = self.facts(pck_id)
        return PlatformKind(facts.fmspc, facts.pce_id)

    def facts(self, pck_id: bytes) -> PckRecord:
        """What a stored PCK certificate says, as the chain's name of a quote has it. Raises
        `ContractRejected`."""
        stored = self._connection.read(self.contract, "pckCertificate", pck_id)
        return PckRecord(
            platform_id=keccak(bytes(stored.ppid)),
            component_svns=bytes(stored.componentSvns),
            serial=int(stored.serial),
            fmspc=bytes(stored.fmspc),
            pce_id=bytes(stored.pceId),
            pce_svn=int(stored.pceSvn),
            authority_index=int(stored.authorityIndex),
            ends_at=int(stored.expiresAt),
        )

    def authority_ids(self) -> tuple[bytes, ...]:
        """Of all stored authorities of PCK certificates."""
        return tuple(self._indexed("authorityIdAt"))

    def chain(self, pck_id: bytes) -> CertificateChain:
        """The certificates which prove a platform. Raises `LogMissing`."""
        leaf = self._event("PckCertificateAdded", pckId=pck_id)
        authority = self._event("AuthorityAdded", authorityId=leaf["authorityId"])
        return CertificateChain(
            leaf=leaf["der"], authority=authority["der"], root=self._event("RootPinned")["der"]
        )

    def add_authority(self, der: bytes) -> Call:
        """By anyone; does nothing if it is stored."""
        return encode_call(self.contract, "addAuthority", der)

    def add_leaf(self, der: bytes, authority_id: bytes) -> Call:
        """By anyone; does nothing if it is stored."""
        return encode_call(self.contract, "addPckCertificate", der, authority_id)

    def add_collateral_signer(self, der: bytes) -> Call:
        """By anyone; does nothing if it is stored."""
        return encode_call(self.contract, "addCollateralSigner", der)

    def _indexed(self, view: str) -> Iterator[bytes]:
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
