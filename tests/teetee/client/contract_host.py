# SPDX-License-Identifier: Apache-2.0
"""A host that is a contract: no calldata of its transactions has a quote."""

from __future__ import annotations

from typing import Any

from teetee.chain.calldata import Call
from teetee.client.hosting.enclave_check import EnclaveCheck, VerifiedEnclave
from teetee.client.hosting.hosting import Hosting
from teetee.protocol.endpoint import Endpoint
from teetee.protocol.layers import LayerRange
from tests.teetee.chain.local_chain import TEE
from tests.teetee.client.lab import Lab, LabEnclave


class ContractHost:
    """ForwardingHost as `Hosting` takes an account and a sender."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._contract = lab.chain.create("ForwardingHost")
        self.address = str(self._contract.address)
        lab.chain.give_tokens(self.address, 1000 * TEE)

    def send(self, call: Call) -> None:
        """In two transactions, by anyone."""
        chain, functions = self._lab.chain, self._contract.functions
        chain.act(chain.deployer, functions.keep(call.data))
        chain.act(chain.deployer, functions.forward(call.to))

    # ------------------------------------------------------------ as a host

    def enclave(self, first: int, end: int) -> LabEnclave:
        """Started, not enrolled."""
        host: Any = self
        guest = self._lab._guest(f"enclave-{len(self._lab.enclaves)}")
        return self._lab._start(guest, host, LayerRange(first, end), is_entry=False)

    def enrol(self, enclave: LabEnclave) -> None:
        """With a fresh quote."""
        enclave.shard_id = self._hosting().enrol(self._verified(enclave)).shard_id

    def renew(self, enclave: LabEnclave) -> None:
        """Likewise."""
        assert enclave.shard_id is not None
        shard = self._lab.contracts().registry.shard(enclave.shard_id)
        self._hosting().renew(shard, self._verified(enclave))

    def rekey(self, enclave: LabEnclave, rebooted: LabEnclave) -> None:
        """Likewise, for the enclave after a reboot."""
        assert enclave.shard_id is not None
        shard = self._lab.contracts().registry.shard(enclave.shard_id)
        self._hosting().rekey(shard, self._verified(rebooted))
        rebooted.shard_id = enclave.shard_id

    def _hosting(self) -> Hosting:
        host: Any = self
        contracts, quotes = self._lab.contracts(), self._lab.quote_check()
        return Hosting(contracts, host, host, quotes=quotes, notify=lambda _: None)

    def _verified(self, enclave: LabEnclave) -> VerifiedEnclave:
        self._lab.chain.rpc("anvil_mine", hex(3))  # a rekey needs a block after the last quote
        check = EnclaveCheck(
            self._lab.contracts(),
            self.address,
            quotes=self._lab.quote_check(),
            notify=lambda _: None,
        )
        payout = str(self._lab.world.account("payout").address)
        return check.require_own(Endpoint.parse(enclave.endpoint), enclave.endpoint, payout)
