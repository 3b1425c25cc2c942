# SPDX-License-Identifier: Apache-2.0
"""`Hosting`: a host's actions at the registry, from enrolment to the release of the bond."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from teetee.chain.calldata import Call
from teetee.chain.contract_errors import PlatformRefused
from teetee.chain.contracts.registry import Enrolment
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from teetee.chain.types.shards import Shard
from teetee.client.amounts import format_amount, round_amount
from teetee.client.contracts import Contracts
from teetee.client.errors import ShardOfAnother, StatementRefused
from teetee.client.hosting.enclave_check import EnclaveCheck, Notify, VerifiedEnclave
from teetee.client.hosting.errors import BondNotCovered, KeysUnchanged, OtherEnclave, OtherLayers
from teetee.client.verification.quote_check import QuoteCheck
from teetee.collateral.platform_kinds import highest_minimum_evaluation_number
from teetee.collateral.rechecks import RecheckOutcome, recheck_shard
from teetee.collateral.synchronization import Synchronization
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.identifiers import ShardId
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.quote import Quote


@dataclass(frozen=True)
class HostActions:
    """The transactions of one action, in order, each with the name of the call."""

    shard_id: ShardId
    sent: tuple[tuple[str, ConfirmedTransaction], ...]


class Hosting:
    """Acts for one host.

    `quotes` None: trust the chain's own check of the quote. `collateral` None: collateral that the
    chain lacks is not uploaded.
    """

    def __init__(
        self,
        contracts: Contracts,
        account: LocalAccount,
        sender: TransactionSender,
        *,
        quotes: QuoteCheck | None,
        notify: Notify,
        collateral: Synchronization | None = None,
    ) -> None:
        self._contracts = contracts
        self._account = account
        self._sender = sender
        self._notify = notify
        self._collateral = collateral
        self._enclave_check = EnclaveCheck(
            contracts, self.address, quotes=quotes, notify=notify, account=account
        )

    @property
    def address(self) -> str:
        """The host's wallet."""
        return str(self._account.address)

    def verify_enclave(self, listening_at: Endpoint, endpoint: str, payout: str) -> VerifiedEnclave:
        """Verify an enclave that this host can enrol: see `EnclaveCheck.require_own`."""
        return self._enclave_check.require_own(listening_at, endpoint, payout)

    def enrol(self, enclave: VerifiedEnclave) -> HostActions:
        """Add the machine's certificates, approve the bond, enrol the shard.

        Raises `BondNotCovered`, and the chain's errors.
        """
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
            enrolment, self._quote_argument(enclave), enclave.pck_id, enclave.statement.signature
        )
        self._notify("Enrolling the shard…")
        sent += self._send_with_collateral("enrol", call, enclave)
        return HostActions(self._shard_of(identity.keyset.signer), tuple(sent))

    def renew(self, shard: Shard, enclave: VerifiedEnclave) -> HostActions:
        """Extend a shard's attestation by a fresh quote of the same enclave.

        Raises `OtherEnclave`, `ShardOfAnother`, and the chain's errors.
        """
        self._require_own(shard)
        if enclave.statement.identity.keyset != shard.keyset:
            raise OtherEnclave(shard.shard_id)
        sent = self._add_certificates(enclave)
        call = self._contracts.registry.renew(
            shard.shard_id,
            shard.keyset,
            endpoint=enclave.request.endpoint,
            block_number=enclave.request.block_number,
            quote=self._quote_argument(enclave),
            pck_id=enclave.pck_id,
        )
        self._notify("Renewing the attestation…")
        sent += self._send_with_collateral("renew", call, enclave)
        return HostActions(shard.shard_id, tuple(sent))

    def rekey(self, shard: Shard, enclave: VerifiedEnclave) -> HostActions:
        """Give a shard the keys of its rebooted enclave. Its id and bond stay.

        Raises `OtherLayers`, `KeysUnchanged`, `ShardOfAnother`, and the chain's errors.
        """
        self._require_own(shard)
        identity = enclave.statement.identity
        if identity.keyset == shard.keyset:
            raise KeysUnchanged(shard.shard_id)
        served = (identity.model_id, identity.layers, identity.is_entry)
        if served != (shard.model_id, shard.layers, shard.is_entry):
            raise OtherLayers(shard.shard_id)
        sent = self._add_certificates(enclave)
        call = self._contracts.registry.rekey(
            shard.shard_id,
            identity.keyset,
            endpoint=enclave.request.endpoint,
            block_number=enclave.request.block_number,
            quote=self._quote_argument(enclave),
            pck_id=enclave.pck_id,
        )
        self._notify("Replacing the shard's keys…")
        sent += self._send_with_collateral("rekey", call, enclave)
        return HostActions(shard.shard_id, tuple(sent))

    def retire(self, shard: Shard) -> HostActions:
        """Take a shard out permanently. Raises `ShardOfAnother`."""
        self._require_own(shard)
        call = self._contracts.registry.retire(shard.shard_id)
        return HostActions(shard.shard_id, (("retire", self._sender.send(call)),))

    def evict(self, shard_id: ShardId) -> HostActions:
        """Put out any host's shard that is no longer fit."""
        sent = self._sender.send(self._contracts.registry.evict(shard_id))
        return HostActions(shard_id, (("evict", sent),))

    def recheck(self, shard: Shard) -> RecheckOutcome:
        """Have any host's shard rechecked by the current collateral and policy."""
        return recheck_shard(self._contracts.registry, self._sender, shard)

    def top_up(self, shard_id: ShardId, amount: int) -> HostActions:
        """Add `amount` wei to any shard's bond."""
        sent = self._approve_bond(amount)
        call = self._contracts.registry.top_up_bond(shard_id, amount)
        sent.append(("topUpBond", self._sender.send(call)))
        return HostActions(shard_id, tuple(sent))

    def withdraw_bond(self, shard_id: ShardId) -> HostActions:
        """Pay a released bond out to the payout address."""
        sent = self._sender.send(self._contracts.registry.withdraw_bond(shard_id))
        return HostActions(shard_id, (("withdrawBond", sent),))

    # ------------------------------------------------------------ sending

    def _quote_argument(self, enclave: VerifiedEnclave) -> bytes:
        return self._contracts.registry.verifier.argument(enclave.quote)

    def _add_certificates(self, enclave: VerifiedEnclave) -> list[tuple[str, ConfirmedTransaction]]:
        store = self._contracts.certificates
        if store.has_leaf(enclave.pck_id):
            return []
        leaf, authority, _ = Quote.parse(enclave.statement.quote).pck_chain_der()
        authority_id = certificate_id(authority)
        self._notify("Adding the machine's certificates; its later quotes need none…")
        sent = []
        if not store.has_authority(authority_id):
            sent.append(("addAuthority", self._sender.send(store.add_authority(authority))))
        sent.append(("addPckCertificate", self._sender.send(store.add_leaf(leaf, authority_id))))
        return sent

    def _send_with_collateral(
        self, name: str, call: Call, enclave: VerifiedEnclave
    ) -> list[tuple[str, ConfirmedTransaction]]:
        """Send; if the chain refuses the platform, upload newer collateral and send again."""
        try:
            return [(name, self._sender.send(call))]
        except PlatformRefused:
            uploaded = self._upload_collateral(enclave)
            if not uploaded:
                raise
        return [*uploaded, (name, self._sender.send(call))]

    def _upload_collateral(
        self, enclave: VerifiedEnclave
    ) -> list[tuple[str, ConfirmedTransaction]]:
        # An adapter uses collateral in other contracts, which this host cannot update.
        if self._collateral is None or self._contracts.registry.verifier.is_adapter:
            return []
        self._notify("Uploading newer collateral for this kind of platform…")
        kind = self._contracts.certificates.platform_kind(enclave.pck_id)
        minimum = highest_minimum_evaluation_number(self._contracts.registry)
        items = self._collateral.run({kind}, minimum)
        return [(item.what, item.sent) for item in items if item.sent is not None]

    def _approve_bond(self, amount: int) -> list[tuple[str, ConfirmedTransaction]]:
        token, registry = self._contracts.token, self._contracts.deployment.registry
        balance = token.balance_of(self.address)
        if balance < amount:
            raise BondNotCovered(
                self.address, format_amount(amount), round_amount(balance, down=True)
            )
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
