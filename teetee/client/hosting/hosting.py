# SPDX-License-Identifier: Apache-2.0
"""A host's side: enrols an enclave that it runs, keeps the enrolment alive, takes what it earned.

What an enclave says is believed as far as it proves itself; see `enclave_statement` and
`quote_check`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from teetee.chain.calldata import Call
from teetee.chain.connection import Block
from teetee.chain.contract_errors import PlatformRefused
from teetee.chain.contracts.registry import Enrolment
from teetee.chain.transactions.sender import Sender, Sent
from teetee.chain.types.shards import Shard
from teetee.client.amounts import format_amount
from teetee.client.contracts import Contracts
from teetee.client.errors import (
    BondNotCovered,
    OtherEnclave,
    ShardOfAnother,
    StatementRefused,
)
from teetee.client.hosting.enclave_statement import (
    EnclaveStatement,
    StatementRequest,
    check_statement,
    fetch_statement,
)
from teetee.client.verification.quote_check import QuoteCheck
from teetee.collateral.kinds import highest_minimum
from teetee.collateral.rechecks import Recheck, recheck_shard
from teetee.collateral.synchronization import Synchronization
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ShardId
from teetee.protocol.keyset import report_data
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.claims import PckFacts
from teetee.quotes.quote import Quote

Notify = Callable[[str], None]


@dataclass(frozen=True)
class VerifiedEnclave:
    """An enclave's statement that was checked, and what the registry needs of it."""

    statement: EnclaveStatement
    request: StatementRequest
    quote: Quote
    pck_id: bytes
    pck: PckFacts | None
    """What the chain keeps of that certificate; None: it does not know it yet."""
    tcb_status: str
    """Empty: nobody judged the quote here; the chain will check its signatures."""


@dataclass(frozen=True)
class HostActions:
    """What was sent, in order; each name once per transaction."""

    shard_id: ShardId
    sent: tuple[tuple[str, Sent], ...]


class Hosting:
    """Acts for one host. `quotes` None: the chain's own check of the quote is trusted.

    `collateral` None: what the chain lacks to judge a platform by, somebody else has to bring.
    """

    def __init__(
        self,
        contracts: Contracts,
        account: LocalAccount,
        sender: Sender,
        *,
        quotes: QuoteCheck | None,
        notify: Notify,
        collateral: Synchronization | None = None,
    ) -> None:
        self._contracts = contracts
        self._account = account
        self._sender = sender
        self._quotes = quotes
        self._notify = notify
        self._collateral = collateral

    @property
    def address(self) -> str:
        """The host's."""
        return str(self._account.address)

    def verify_enclave(self, listening_at: Endpoint, endpoint: str, payout: str) -> VerifiedEnclave:
        """Ask the enclave for a fresh quote and check it against chain, host and published weights.

        Raises `EnclaveUnreachable`, `EnclaveRefused`, `StatementRefused`, and what quotes and chain
        raise.
        """
        head = self._contracts.connection.head()
        # The enclave asks its own node, which may lag a block behind.
        block = self._contracts.connection.block(max(head.number - 1, 0))
        request = StatementRequest(block.number, block.hash, endpoint, payout)
        self._notify(f"Asking the enclave at {listening_at} for a quote over block {block.number}…")
        statement = fetch_statement(listening_at, request)
        self._require_ours(statement, request)
        return self._verified(statement, request, head)

    def enrol(self, enclave: VerifiedEnclave) -> HostActions:
        """Certificates, bond, enrolment. Raises `BondNotCovered`, and the chain's errors."""
        registry, identity = self._contracts.registry, enclave.statement.identity
        sent = [*self._add_certificates(enclave), *self._approve_bond(registry.bond())]
        enrolment = Enrolment(
            model_id=identity.model_id,
            layers=identity.layers,
            is_entry=identity.is_entry,
            keyset=identity.keyset,
            endpoint=enclave.request.endpoint,
            payout=enclave.request.payout,
            block_number=enclave.request.block_number,
        )
        call = registry.enrol(
            enrolment, self._argument(enclave), enclave.pck_id, enclave.statement.signature
        )
        self._notify("Enrolling the shard…")
        sent += self._send_judged("enrol", call, enclave)
        return HostActions(self._shard_of(identity.keyset.signer), tuple(sent))

    def renew(self, shard: Shard, enclave: VerifiedEnclave) -> HostActions:
        """A fresh quote of the same enclave. Raises `OtherEnclave`, `ShardOfAnother`."""
        self._require_own(shard)
        if enclave.statement.identity.keyset != shard.keyset:
            raise OtherEnclave(shard.shard_id)
        sent = self._add_certificates(enclave)
        call = self._contracts.registry.renew(
            shard.shard_id,
            shard.keyset,
            endpoint=enclave.request.endpoint,
            block_number=enclave.request.block_number,
            quote=self._argument(enclave),
            pck_id=enclave.pck_id,
        )
        self._notify("Renewing the attestation…")
        sent += self._send_judged("renew", call, enclave)
        return HostActions(shard.shard_id, tuple(sent))

    def retire(self, shard: Shard) -> HostActions:
        """For good. Raises `ShardOfAnother`."""
        self._require_own(shard)
        call = self._contracts.registry.retire(shard.shard_id)
        return HostActions(shard.shard_id, (("retire", self._sender.send(call)),))

    def evict(self, shard_id: ShardId) -> HostActions:
        """Anybody's shard, once it is unfit."""
        sent = self._sender.send(self._contracts.registry.evict(shard_id))
        return HostActions(shard_id, (("evict", sent),))

    def recheck(self, shard: Shard) -> Recheck:
        """Anybody's shard: judged anew by the collateral and the policy of now."""
        return recheck_shard(self._contracts.registry, self._sender, shard)

    def top_up(self, shard_id: ShardId, amount: int) -> HostActions:
        """Add `amount` wei to a shard's bond."""
        sent = self._approve_bond(amount)
        call = self._contracts.registry.top_up_bond(shard_id, amount)
        sent.append(("topUpBond", self._sender.send(call)))
        return HostActions(shard_id, tuple(sent))

    def withdraw_bond(self, shard_id: ShardId) -> HostActions:
        """To the payout address, once it is released."""
        sent = self._sender.send(self._contracts.registry.withdraw_bond(shard_id))
        return HostActions(shard_id, (("withdrawBond", sent),))

    # ------------------------------------------------------------ proving

    def _require_ours(self, statement: EnclaveStatement, request: StatementRequest) -> None:
        deployment, identity = self._contracts.deployment, statement.identity
        model = self._contracts.registry.model(identity.model_id)
        if identity.layers.end > model.layer_count:
            raise StatementRefused(
                f"it serves layers {identity.layers} of a model with {model.layer_count}"
            )
        check_statement(
            statement,
            request,
            chain_id=deployment.chain_id,
            registry=deployment.registry,
            host=self.address,
            slice_digest=model.slice_digest(identity.layers, identity.is_entry),
        )

    def _verified(
        self, statement: EnclaveStatement, request: StatementRequest, head: Block
    ) -> VerifiedEnclave:
        quote = Quote.parse(statement.quote)
        leaf, _, root = Quote.parse(statement.quote).pck_chain_der()
        expected = report_data(
            statement.identity.identity_digest(), request.block_number, request.block_hash
        )
        if quote.report.report_data != expected:
            raise StatementRefused("its quote vouches for another identity or block")
        if hashlib.sha256(root).digest() != self._contracts.deployment.root_ca_fingerprint:
            raise StatementRefused(
                "its quote hangs from another root than this network trusts; simulated enclaves "
                "have no place on a network of real ones"
            )
        model_id, measurement = statement.identity.model_id, quote.report.measurement
        if not self._contracts.registry.is_measurement_allowed(model_id, measurement):
            raise StatementRefused(
                f"its measurement 0x{measurement.hex()} is not allowed for model {model_id}"
            )
        status = ""
        if self._quotes is not None:
            status = self._quotes.check_quote(statement.quote, root, head.timestamp).tcb_status
        pck_id, store = certificate_id(leaf), self._contracts.certificates
        pck = store.facts(pck_id) if store.has_leaf(pck_id) else None
        return VerifiedEnclave(statement, request, quote, pck_id, pck, status)

    # ------------------------------------------------------------ sending

    def _argument(self, enclave: VerifiedEnclave) -> bytes:
        return self._contracts.registry.verifier.argument(enclave.quote)

    def _add_certificates(self, enclave: VerifiedEnclave) -> list[tuple[str, Sent]]:
        store = self._contracts.certificates
        if store.has_leaf(enclave.pck_id):
            return []
        leaf, authority, _ = Quote.parse(enclave.statement.quote).pck_chain_der()
        authority_id = certificate_id(authority)
        self._notify("Adding the platform's certificates, once for all quotes of this machine…")
        sent = []
        if not store.has_authority(authority_id):
            sent.append(("addAuthority", self._sender.send(store.add_authority(authority))))
        sent.append(("addPckCertificate", self._sender.send(store.add_leaf(leaf, authority_id))))
        return sent

    def _send_judged(
        self, name: str, call: Call, enclave: VerifiedEnclave
    ) -> list[tuple[str, Sent]]:
        """Where newer collateral could turn the verdict, that is brought, and the call repeated."""
        try:
            return [(name, self._sender.send(call))]
        except PlatformRefused:
            brought = self._bring_collateral(enclave)
            if not brought:
                raise
        return [*brought, (name, self._sender.send(call))]

    def _bring_collateral(self, enclave: VerifiedEnclave) -> list[tuple[str, Sent]]:
        # An adapter judges by somebody else's collateral, which is not ours to bring.
        if self._collateral is None or self._contracts.registry.verifier.is_adapter:
            return []
        self._notify("Bringing the chain fresh collateral for this kind of platform…")
        kind = self._contracts.certificates.platform_kind(enclave.pck_id)
        minimum = highest_minimum(self._contracts.registry)
        items = self._collateral.run({kind}, minimum)
        return [(item.what, item.sent) for item in items if item.sent is not None]

    def _approve_bond(self, amount: int) -> list[tuple[str, Sent]]:
        token, registry = self._contracts.token, self._contracts.deployment.registry
        balance = token.balance_of(self.address)
        if balance < amount:
            raise BondNotCovered(self.address, format_amount(amount), format_amount(balance))
        if token.allowance(self.address, registry) >= amount:
            return []
        self._notify(f"Approving the bond of {format_amount(amount)}…")
        return [("approve", self._sender.send(token.approve(registry, amount)))]

    def _shard_of(self, signer: str) -> ShardId:
        shard_id = self._contracts.registry.shard_of(signer)
        if shard_id is None:
            raise StatementRefused("the registry does not show the new shard yet")
        return shard_id

    def _require_own(self, shard: Shard) -> None:
        if shard.host != self.address:
            raise ShardOfAnother(shard.shard_id, shard.host, self.address)
