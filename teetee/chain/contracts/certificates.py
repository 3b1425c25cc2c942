# SPDX-License-Identifier: Apache-2.0
"""The chain's store of PCK certificates, from which quotes are rebuilt.

The contract verified each certificate before storing it. Only events contain the DER.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
from teetee.chain.logs import read_logs_in_blocks
from teetee.chain.read_batch import ReadBatch
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
        # What is stored never changes: each is read once.
        self._records: dict[bytes, PckRecord] = {}
        self._chains: dict[bytes, CertificateChain] = {}
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
        return self.record_in(self._connection.batch(), pck_id)()

    def record_in(self, batch: ReadBatch, pck_id: bytes) -> Callable[[], PckRecord]:
        """The same, read with others."""
        known = self._records.get(pck_id)
        if known is not None:
            return lambda: known
        stored = batch.add(self.contract, "pckCertificate", pck_id)

        def record() -> PckRecord:
            found = stored()
            facts = from_abi(PckRecord, found._asdict(), platform_id=keccak(found.ppid))
            return self._records.setdefault(pck_id, facts)

        return record

    def authority_ids(self) -> tuple[bytes, ...]:
        """The ids of all stored authorities of PCK certificates."""
        return tuple(self._ids("authorityIdAt"))

    def chain(self, pck_id: bytes) -> CertificateChain:
        """The certificate chain of a platform. Raises `LogMissing`."""
        self.read_chains([pck_id])
        return self._chains[pck_id]

    def read_chains(self, pck_ids: Collection[bytes]) -> None:
        """Read the chains of several platforms together, for `chain`. Raises `LogMissing`."""
        wanted = [pck_id for pck_id in dict.fromkeys(pck_ids) if pck_id not in self._chains]
        if not wanted:
            return
        batch = self._connection.batch()
        root = batch.add(self.contract, "root")
        blocks = self._blocks_in(batch, wanted)
        leaves = self._events({"PckCertificateAdded": "pckId"}, blocks())
        authorities = {bytes(leaf["authorityId"]) for leaf in leaves.values()}
        root_id = bytes(root().rootId)
        above = self._blocks_in(self._connection.batch(), [*sorted(authorities), root_id])()
        issuers = self._events({"AuthorityAdded": "authorityId", "RootPinned": "rootId"}, above)
        for pck_id, leaf in leaves.items():
            authority = issuers[bytes(leaf["authorityId"])]
            self._chains[pck_id] = CertificateChain(
                leaf=leaf["der"], authority=authority["der"], root=issuers[root_id]["der"]
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

    def _blocks_in(self, batch: ReadBatch, ids: Sequence[bytes]) -> Callable[[], dict[bytes, int]]:
        """The blocks with the certificates' events; 0 for a certificate that is not stored."""
        reads = {each: batch.add(self.contract, "addedInBlock", each) for each in ids}
        return lambda: {each: int(read()) for each, read in reads.items()}

    def _events(
        self, kinds: Mapping[str, str], blocks: Mapping[bytes, int]
    ) -> dict[bytes, dict[str, Any]]:
        """The events of several certificates, by id. `kinds`: the events, and the argument that is
        the id. Raises `LogMissing`.
        """
        stored = [block for block in blocks.values() if block]
        logs = read_logs_in_blocks(self._connection, self.contract, tuple(kinds), stored)
        found = {bytes(log.arguments[kinds[log.event]]): dict(log.arguments) for log in logs}
        for certificate, block in blocks.items():
            if certificate not in found:
                raise LogMissing(" or ".join(kinds), block or self._first_block)
        return {certificate: found[certificate] for certificate in blocks}
