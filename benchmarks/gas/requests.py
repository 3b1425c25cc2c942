# SPDX-License-Identifier: Apache-2.0
"""Builds requests and settlements over a path of two shards, with payloads of any size."""

import secrets
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from benchmarks.gas.chain import CHAIN_ID
from benchmarks.gas.world import EnrolledShard, GasWorld
from teetee.protocol.identifiers import RequestId
from teetee.protocol.receipts import NO_PREVIOUS_RECEIPT, Settlement, StageReceipt
from teetee.protocol.typed_data import escrow_domain

MAX_INPUT_TOKENS, MAX_OUTPUT_TOKENS = 1024, 512
INPUT_TOKENS, OUTPUT_TOKENS = 700, 300
WINDOW = 1800


class SignedPath:
    """A path whose shards sign any receipt."""

    def __init__(self, world: GasWorld, shards: list[EnrolledShard]) -> None:
        self._world = world
        self._shards = shards
        self._domain = escrow_domain(CHAIN_ID, world.escrow.address)

    def request(self, envelope_bytes: int) -> Any:
        """A request with an envelope of that size, without zero bytes."""
        parameters = (
            self._world.model_id,
            [self._shards[0].shard_id],
            MAX_INPUT_TOKENS,
            MAX_OUTPUT_TOKENS,
            10 * 10**18,
            self._world.chain.now() + WINDOW,
            secrets.token_bytes(32),
            _payload(envelope_bytes),
        )
        return self._world.escrow.functions.request(parameters)

    def open_request(self, requester: LocalAccount) -> RequestId:
        """Opens a request and returns its id."""
        self._world.chain.send(requester, "requesting", self.request(32))
        return RequestId(int(self._world.escrow.functions.requestCount().call()))

    def settlement(self, request_id: RequestId, answer_bytes: int) -> tuple[Any, ...]:
        """The entry's settlement of a request, with an answer of that size, without zero bytes."""
        commitments = [secrets.token_bytes(32) for _ in range(len(self._shards) + 1)]
        previous, receipts = NO_PREVIOUS_RECEIPT, []
        for hop, shard in enumerate(self._shards):
            receipt = StageReceipt(
                request_id=request_id,
                model_id=self._world.model_id,
                shard_id=shard.shard_id,
                layers=shard.layers,
                identity_digest=shard.identity_digest,
                first_position=0,
                end_position=INPUT_TOKENS + OUTPUT_TOKENS - 1,
                input_commitment=commitments[hop],
                output_commitment=commitments[hop + 1],
                previous_receipt=previous,
            )
            previous = receipt.struct_hash()
            signed = receipt.sign(shard.signer, self._domain)
            pair = (commitments[hop], commitments[hop + 1])
            receipts.append((shard.shard_id, *pair, signed.r, signed.vs))
        answer = _payload(answer_bytes)
        request = self._world.escrow.functions.requestOf(request_id).call()
        requester, nonce_prefix = request[0], request[-1]
        settlement = Settlement(
            request_id,
            requester,
            nonce_prefix,
            INPUT_TOKENS,
            OUTPUT_TOKENS,
            keccak(answer),
            previous,
        )
        entry = settlement.sign(self._shards[0].signer, self._domain)
        return (request_id, INPUT_TOKENS, OUTPUT_TOKENS, receipts, answer, entry.r, entry.vs)


def _payload(size: int) -> bytes:
    """A ciphertext without zero bytes, which costs the most."""
    return bytes(1 + value % 255 for value in secrets.token_bytes(size))
