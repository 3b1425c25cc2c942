"""Enrols one shard: certificates first, then the bond's allowance, then the shard itself."""

from dataclasses import dataclass
from typing import Any

from ape.api import AccountAPI, ReceiptAPI

from scripts._contracts import Contracts
from scripts._errors import QuoteOfAnotherRoot
from scripts._root_ca import RootCa
from scripts._transactions import send
from scripts._verifiers import automata_behind
from teetee.client.hosting.enclave_statement import EnclaveStatement, Occasion, check_statement
from teetee.quotes import certificate_chain_der, certificate_id, parse

ZERO_ADDRESS = "0x" + "00" * 20


@dataclass(frozen=True)
class Enrolling:
    """One host at one registry. Every step raises `ContractRejected` when the chain refuses."""

    contracts: Contracts
    account: AccountAPI

    @property
    def host(self) -> str:
        """Who will own the shard."""
        return str(self.account.address)

    def payout(self, wanted: str | None) -> str:
        """Where earnings go: as wanted, else as it was with the first shard, else to the host."""
        known = str(self.contracts.registry.payoutOf(self.host))
        return wanted or (self.host if known == ZERO_ADDRESS else known)

    def check(self, occasion: Occasion, statement: EnclaveStatement) -> None:
        """Whether the enclave speaks of this chain, registry, host and model. Raises
        `StatementRefused`.
        """
        registry, identity = self.contracts.registry, statement.identity
        digest = registry.sliceDigest(
            identity.model_id, identity.layers.first, identity.layers.end, identity.is_entry
        )
        check_statement(
            statement,
            occasion,
            chain_id=self.contracts.deployment.chain_id,
            registry=registry.address,
            host=self.host,
            slice_digest=bytes(digest),
        )

    def enrol(self, occasion: Occasion, statement: EnclaveStatement) -> dict[str, Any]:
        """Send what is needed. Raises `QuoteOfAnotherRoot`, `QuoteMalformed`,
        `CertificateMalformed`.
        """
        pck_id = self._add_certificates(statement.quote)
        self._approve_bond()
        receipt = self._enrol(occasion, statement, pck_id)
        (enrolled,) = receipt.decode_logs(self.contracts.registry.ShardEnrolled)
        stored = self.contracts.registry.shard(enrolled.shardId)
        return {
            "shardId": int(enrolled.shardId),
            "modelId": int(enrolled.modelId),
            "layers": [int(enrolled.firstLayer), int(enrolled.endLayer)],
            "isEntry": bool(enrolled.isEntry),
            "host": self.host,
            "signer": statement.identity.keyset.signer,
            "payout": occasion.payout,
            "attestedUntil": int(stored.attestedUntil),
            "transaction": receipt.txn_hash,
            "gasUsed": int(receipt.gas_used),
        }

    def _add_certificates(self, quote: bytes) -> bytes:
        """The pckId. Certificates which the chain knows are not sent again."""
        leaf, authority, root = certificate_chain_der(quote)
        trusted, used = self.contracts.deployment.root_ca_fingerprint, RootCa(root).fingerprint
        if trusted != used:
            raise QuoteOfAnotherRoot(trusted, used)
        store = self.contracts.certificates
        authority_id, pck_id = certificate_id(authority), certificate_id(leaf)
        if not store.hasAuthority(authority_id):
            send(self.account, store, "addAuthority", authority)
        if not store.hasPckCertificate(pck_id):
            send(self.account, store, "addPckCertificate", leaf, authority_id)
        return pck_id

    def _approve_bond(self) -> None:
        registry, token = self.contracts.registry, self.contracts.token
        bond = registry.BOND()
        if token.allowance(self.host, registry) < bond:
            send(self.account, token, "approve", registry, bond)

    def _enrol(self, occasion: Occasion, statement: EnclaveStatement, pck_id: bytes) -> ReceiptAPI:
        identity = statement.identity
        parameters = {
            "modelId": identity.model_id,
            "firstLayer": identity.layers.first,
            "endLayer": identity.layers.end,
            "isEntry": identity.is_entry,
            "signer": identity.keyset.signer,
            "kem": identity.keyset.kem,
            "tls": identity.keyset.tls,
            "endpoint": occasion.endpoint,
            "payout": occasion.payout,
            "blockNumber": occasion.block_number,
        }
        return send(
            self.account,
            self.contracts.registry,
            "enrol",
            parameters,
            self._argument(statement.quote),
            pck_id,
            statement.signature.to_rsv(),
        )

    def _argument(self, quote: bytes) -> bytes:
        """The adapter to Automata takes the PEM chain too (`chain.contracts.verifiers`)."""
        parsed = parse(quote)
        is_adapter = automata_behind(str(self.contracts.verifier.address)) is not None
        return parsed.core + parsed.pck_chain if is_adapter else parsed.core
