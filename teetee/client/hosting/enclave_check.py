# SPDX-License-Identifier: Apache-2.0
"""Verifies an enclave before it is enrolled or renewed: statement, quote, image and platform."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from teetee.chain.types.blocks import Block
from teetee.client.contracts import Contracts
from teetee.client.errors import StatementRefused
from teetee.client.hosting.enclave_statement import (
    EnclaveStatement,
    StatementRequest,
    check_statement,
    fetch_statement,
)
from teetee.client.verification.quote_check import QuoteCheck
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.keyset import report_data
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.claims import PckRecord
from teetee.quotes.quote import Quote

Notify = Callable[[str], None]


@dataclass(frozen=True)
class VerifiedEnclave:
    """A verified statement, with what the registry needs to enrol the enclave."""

    statement: EnclaveStatement
    request: StatementRequest
    quote: Quote
    pck_id: bytes
    pck: PckRecord | None
    """What the chain stores of the PCK certificate; None: it does not have it yet."""
    tcb_status: str
    """Empty: the quote was not checked here; the chain will check its signatures."""
    objections: tuple[str, ...] = ()
    """Why this host cannot enrol it: another host's enclave, or an image that is not allowed."""


class EnclaveCheck:
    """Verifies enclaves for one host; None: for no host in particular. `quotes` None: trust the
    chain's own check of the quote.
    """

    def __init__(
        self,
        contracts: Contracts,
        host: str | None,
        *,
        quotes: QuoteCheck | None,
        notify: Notify,
        account: LocalAccount | None = None,
    ) -> None:
        """`account`: the host's wallet, which signs requests for quotes; None: they are unsigned,
        and the enclave may be too busy with strangers.
        """
        self._account = account
        self._contracts = contracts
        self._host = host
        self._quotes = quotes
        self._notify = notify

    def inspect(self, listening_at: Endpoint, endpoint: str, payout: str) -> VerifiedEnclave:
        """Ask the enclave for a fresh quote and check it against the chain and the published
        weights.

        What only keeps this host from enrolling it is returned as `objections`. Raises
        `EnclaveUnreachable`, `EnclaveRefused`, `StatementRefused`, and the errors of quotes and
        chain.
        """
        head = self._contracts.connection.head()
        # The enclave asks its own node, which may be one block behind.
        block = self._contracts.connection.block(max(head.number - 1, 0))
        request = StatementRequest(block.number, block.hash, endpoint, payout)
        if self._account is not None:
            deployment = self._contracts.deployment
            request = request.signed(
                self._account, chain_id=deployment.chain_id, registry=deployment.registry
            )
        self._notify(f"Asking the enclave at {listening_at} for a quote over block {block.number}…")
        statement = fetch_statement(listening_at, request)
        self._check_statement(statement, request)
        return self._check_quote(statement, request, head)

    def require_own(self, listening_at: Endpoint, endpoint: str, payout: str) -> VerifiedEnclave:
        """Do the same, and raise `StatementRefused` if there is an objection."""
        enclave = self.inspect(listening_at, endpoint, payout)
        if enclave.objections:
            raise StatementRefused("; ".join(enclave.objections))
        return enclave

    def _check_statement(self, statement: EnclaveStatement, request: StatementRequest) -> None:
        deployment, identity = self._contracts.deployment, statement.identity
        model = self._contracts.registry.model(identity.model_id)
        if identity.layers.end > model.layer_count:
            raise StatementRefused(
                f"it serves layers {identity.layers}, and the model has {model.layer_count}"
            )
        check_statement(
            statement,
            request,
            chain_id=deployment.chain_id,
            registry=deployment.registry,
            host=None,
            slice_digest=model.slice_digest(identity.layers, identity.is_entry),
        )

    def _check_quote(
        self, statement: EnclaveStatement, request: StatementRequest, head: Block
    ) -> VerifiedEnclave:
        quote = Quote.parse(statement.quote)
        leaf, _, root = quote.pck_chain_der()
        expected = report_data(
            statement.identity.identity_digest(), request.block_number, request.block_hash
        )
        if quote.report.report_data != expected:
            raise StatementRefused("its quote is for another identity or block")
        if hashlib.sha256(root).digest() != self._contracts.deployment.root_ca_fingerprint:
            raise StatementRefused(
                "its quote ends in a root certificate that this network does not trust; simulated "
                "enclaves only work on networks for simulated enclaves"
            )
        status = ""
        if self._quotes is not None:
            status = self._quotes.check_quote(statement.quote, root, head.timestamp).tcb_status
        pck_id, store = certificate_id(leaf), self._contracts.certificates
        pck = store.record(pck_id) if store.has_leaf(pck_id) else None
        objections = self._objections(statement, quote.report.measurement)
        return VerifiedEnclave(statement, request, quote, pck_id, pck, status, objections)

    def _objections(self, statement: EnclaveStatement, measurement: bytes) -> tuple[str, ...]:
        host, model_id = statement.identity.host, statement.identity.model_id
        objections = []
        if self._host is not None and host != self._host:
            objections.append(f"it was started for host {host}, not for {self._host}")
        if not self._contracts.registry.is_measurement_allowed(model_id, measurement):
            objections.append(
                f"its measurement 0x{measurement.hex()} is not allowed for model {model_id}"
            )
        return tuple(objections)
