# SPDX-License-Identifier: Apache-2.0
"""A wallet in a running world that uses the client's library: for what the command does not offer,
such as choosing recipients or sending an invalid envelope.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from demo.phases.ask import claim_tokens
from demo.wallets import Wallet
from demo.world import World
from teetee.chain.calldata import Call
from teetee.chain.transactions.sender import ConfirmedTransaction, TransactionSender
from teetee.chain.types.requests import RequestParameters
from teetee.cli.network import QuoteSettings
from teetee.client.client import Client
from teetee.client.contracts import Contracts
from teetee.client.requests.await_answer import Outcome
from teetee.client.requests.entry_info import fetch_sealing_key
from teetee.client.requests.open_request import OpenRequest
from teetee.client.requests.pending_requests import PendingRequest, PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.protocol.identifiers import ShardId
from teetee.protocol.request_secret import RequestContext, RequestSecret
from teetee.protocol.sealing.key import SealingPublicKey

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Requester:
    """One funded wallet, and what it needs to send requests."""

    world: World
    wallet: Wallet
    contracts: Contracts
    client: Client

    @classmethod
    def of(cls, world: World, role: str) -> Requester:
        """The wallet of that role. A new one claims tokens from the faucet."""
        is_new = role not in world.wallets
        wallet = world.wallet(role)
        if is_new:
            claim_tokens(world.command, wallet)
        contracts = Contracts.connect(world.deployment, [world.chain.url])
        quotes = QuoteSettings(world.command.collateral).strict_quote_check(contracts)
        client = Client(
            contracts,
            wallet.account,
            quotes=None,
            verification_quotes=quotes,
            pending=PendingRequests(world.folders.wallet / "library"),
            poll_seconds=POLL_SECONDS,
        )
        return cls(world, wallet, contracts, client)

    def open(self, spec: RequestSpec, *recipients: str) -> OpenRequest:
        """Seal for these entries, the primary first; pay and send."""
        offer = self.client.prepare_offer(replace(spec, recipients=len(recipients) or 1))
        if recipients:
            wanted = [self.world.enclave(name).shard_id for name in recipients]
            shards = {int(shard.shard_id): shard for shard in self._entries()}
            offer = replace(offer, recipients=tuple(shards[each] for each in wanted))
        return self.client.open_request(offer)

    def wait(self, opened: OpenRequest, on_text: Callable[[str], None] | None = None) -> Outcome:
        """Wait for its outcome."""
        return self.client.await_answer(opened, on_text=on_text)

    def open_bare(self, envelope: bytes | None = None, **changes: Any) -> OpenRequest:
        """A request with the given envelope, or with noise.

        Its secret is not stored, so the answer is unreadable. Raises the contracts' refusals.
        """
        given = {} if envelope is None else {"envelope": envelope}
        parameters = self.parameters(**given, **changes)
        sent = self.send(self.permitted(parameters))
        opened = self.contracts.history.opened_in(sent.logs)
        assert opened is not None
        context = self.context(parameters)
        pending = PendingRequest(
            chain_id=context.chain_id,
            escrow=context.escrow,
            requester=context.requester,
            model_id=context.model_id,
            client_nonce=context.client_nonce,
            sent_after_block=0,
            deadline=parameters.deadline,
            sealed_secret=b"",
        )
        return OpenRequest(opened.request_id, context, RequestSecret.fresh(), pending, sent)

    def context(self, parameters: RequestParameters, requester: str = "") -> RequestContext:
        """The context that an envelope for this request is bound to."""
        return RequestContext(
            chain_id=self.world.deployment.chain_id,
            escrow=self.world.deployment.escrow,
            requester=requester or self.wallet.address,
            model_id=parameters.model_id,
            client_nonce=parameters.client_nonce,
        )

    def parameters(self, **changes: Any) -> RequestParameters:
        """Parameters that the escrow accepts, with the changes applied. The envelope is noise."""
        usual = RequestParameters(
            model_id=self.world.model_id,
            recipients=(ShardId(self.world.enclave("entry").shard_id),),
            max_input_tokens=64,
            max_output_tokens=8,
            max_deposit=10**18,
            deadline=self.world.chain.now() + 60,
            client_nonce=os.urandom(32),
            envelope=os.urandom(700),
        )
        return replace(usual, **changes)

    def sealing_key_of(self, name: str) -> SealingPublicKey:
        """The key to which prompts for this entry are sealed."""
        shard_id = ShardId(self.world.enclave(name).shard_id)
        return fetch_sealing_key(self.contracts.registry.shard(shard_id))

    def learn_sealing_keys(self, *names: str) -> None:
        """So that prompts can be sealed to these entries when they are off."""
        shard_ids = [ShardId(self.world.enclave(name).shard_id) for name in names]
        self.client.sealing_keys.of([self.contracts.registry.shard(each) for each in shard_ids])

    def permitted(self, parameters: RequestParameters) -> Call:
        """The call that pays by a permit."""
        permit = self.contracts.token.sign_permit(
            self.wallet.account,
            spender=self.world.deployment.escrow,
            value=parameters.max_deposit,
            deadline=self.world.chain.now() + 3600,
        )
        return self.contracts.escrow.request_with_permit(parameters, permit)

    def send(self, call: Call) -> ConfirmedTransaction:
        """Send a call by this wallet. Raises the contracts' refusals."""
        sender = TransactionSender(
            self.contracts.connection, self.wallet.account, poll_seconds=POLL_SECONDS
        )
        return sender.send(call)

    def _entries(self) -> list[Any]:
        registry = self.contracts.registry
        return [each for each in registry.active_shards(self.world.model_id) if each.is_entry]
