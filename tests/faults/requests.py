# SPDX-License-Identifier: Apache-2.0
"""Paid requests of the run's wallets, and all that is needed to check how each of them ended."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from random import Random
from typing import Any

from demo.local_chain import ETHER
from demo.wallets import Wallet
from teetee.chain.calldata import Call
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.requests import RequestParameters
from teetee.client.requests.entry_info import fetch_sealing_key
from teetee.errors import Retryable
from teetee.protocol.envelope import seal_prompt
from teetee.protocol.identifiers import ShardId
from teetee.protocol.prompt import Message, Prompt, Sampling
from teetee.protocol.request_secret import RequestContext, RequestSecret
from teetee.protocol.sealing.key import SealingPublicKey
from tests.faults.tiny_model import VOCABULARY, word
from tests.faults.world import FaultWorld

PROMPTS = 24
TOKENS = 10**18
MAX_DEPOSIT = TOKENS
GAS = 900_000
ETHER_FOR_GAS = 10**6
WORDS_OF_PROMPT = 12
LENGTHS = (4, 16, 48, 160)


def make_prompts() -> list[Prompt]:
    """The questions of every run: short and long answers, greedy and sampled."""
    chance = Random("prompts")
    return [
        Prompt(
            (Message("user", _words(chance)),),
            Sampling(
                max_tokens=LENGTHS[number % len(LENGTHS)],
                temperature=float(number % 2),
                seed=number,
            ),
        )
        for number in range(PROMPTS)
    ]


def _words(chance: Random) -> str:
    return " ".join(word(chance.randrange(VOCABULARY)) for _ in range(WORDS_OF_PROMPT))


@dataclass
class Asked:
    """One request that a wallet sent."""

    wallet: str
    prompt: int
    context: RequestContext
    secret: RequestSecret
    primary: ShardId
    deadline: int
    raw: str = field(repr=False)
    """The signed transaction."""
    transaction: str


class Requester:
    """One wallet that sends requests. For one thread at a time."""

    def __init__(self, world: FaultWorld, role: str, prompts: list[Prompt]) -> None:
        self._world = world
        self._prompts = prompts
        self.wallet: Wallet = world.wallet(role)
        self._nonce = 0
        self.asked: list[Asked] = []
        self._lock = threading.Lock()

    def fund(self, amount: int = 100_000 * TOKENS) -> None:
        """Tokens of the treasury, and an allowance for the escrow."""
        contracts = self._world.contracts
        treasury = TransactionSender(
            contracts.connection, self._world.wallet("treasury").account, poll_seconds=0.05
        )
        treasury.send(contracts.token.transfer(self.wallet.address, amount))
        own = TransactionSender(contracts.connection, self.wallet.account, poll_seconds=0.05)
        own.send(contracts.token.approve(self._world.deployment.escrow, amount))
        self._world.chain.set_ether(self.wallet.address, ETHER_FOR_GAS * ETHER)
        self._nonce = 1

    def ask(
        self, prompt: int, recipients: tuple[str, ...], window: int, keys: SealingKeys
    ) -> Asked:
        """Sign a request; `send` sends it."""
        world = self._world
        chosen = [keys.of(name) for name in recipients]
        context = RequestContext(
            chain_id=world.deployment.chain_id,
            escrow=world.deployment.escrow,
            requester=self.wallet.address,
            model_id=world.model_id,
            client_nonce=os.urandom(32),
        )
        secret = RequestSecret.fresh()
        sampling = self._prompts[prompt].sampling
        parameters = RequestParameters(
            model_id=world.model_id,
            recipients=tuple(shard_id for shard_id, _ in chosen),
            max_input_tokens=2 * WORDS_OF_PROMPT,
            max_output_tokens=sampling.max_tokens,
            max_deposit=MAX_DEPOSIT,
            deadline=world.chain.now() + window,
            client_nonce=context.client_nonce,
            envelope=seal_prompt(self._prompts[prompt], secret, context, chosen),
        )
        raw, transaction = self._sign(world.contracts.escrow.request(parameters))
        asked = Asked(
            wallet=self.wallet.role,
            prompt=prompt,
            context=context,
            secret=secret,
            primary=parameters.recipients[0],
            deadline=parameters.deadline,
            raw=raw,
            transaction=transaction,
        )
        with self._lock:
            self.asked.append(asked)
        return asked

    def take_asked(self) -> list[Asked]:
        """The requests since the last call."""
        with self._lock:
            asked, self.asked = self.asked, []
        return asked

    def see_asked(self) -> list[Asked]:
        """The same, and they stay."""
        with self._lock:
            return [*self.asked]

    def _sign(self, call: Call) -> tuple[str, str]:
        transaction: Any = {
            "to": call.to,
            "data": call.data,
            "value": 0,
            "nonce": self._nonce,
            "gas": GAS,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**9,
            "chainId": self._world.deployment.chain_id,
            "type": "0x2",
        }
        signed = self.wallet.account.sign_transaction(transaction)
        self._nonce += 1
        return "0x" + bytes(signed.raw_transaction).hex(), "0x" + bytes(signed.hash).hex()


class SealingKeys:
    """The entries' present keys; a reboot changes them."""

    def __init__(self, world: FaultWorld) -> None:
        self._world = world
        self._keys: dict[str, tuple[ShardId, SealingPublicKey]] = {}
        self._lock = threading.Lock()

    def refresh(self, name: str) -> None:
        """Ask the entry; without the network of the faults. Raises `Retryable`."""
        enclave = self._world.enclave(name)
        shard = self._world.contracts.registry.shard(ShardId(enclave.shard_id))
        with self._lock:
            self._keys[name] = (shard.shard_id, fetch_sealing_key(shard))

    def of(self, name: str) -> tuple[ShardId, SealingPublicKey]:
        """The key that was seen last."""
        with self._lock:
            return self._keys[name]

    def try_refresh(self, name: str) -> bool:
        """Whether the entry answered."""
        try:
            self.refresh(name)
        except Retryable:
            return False
        return True
