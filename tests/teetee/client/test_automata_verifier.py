# SPDX-License-Identifier: Apache-2.0
"""A network whose registry checks quotes by Automata's contracts, through our adapter: the real
registry and adapter, an Automata that answers what it was told, simulated enclaves.

given a verifier of either kind
    it should be told apart, and given a quote as it takes it
given a shard to be enrolled
    when Automata accepts its quote as up to date
        it should be enrolled with the PEM chain behind its core, without collateral of ours
        its core, claims and evidence should be those of any other shard
    when Automata calls it out of date, or refuses it
        the chain should refuse it, and no collateral should be uploaded for it
given an enrolled shard
    when Automata says the same as before
        a recheck should send nothing
    when Automata says out of date, or below every level
        a recheck should pass that on, and evict
    when Automata refuses for its own want of collateral
        a recheck should leave it alone
given a request to show collateral, or to upload it
    it should say that Automata keeps it
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from web3.contract import Contract

from oracle.process.collateral_updater import ChainCollateral
from tee_simulator.guest.machine import FMSPC
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.chain.contracts.verifiers import QuoteVerifier
from teetee.chain.transactions.sender import TransactionSender
from teetee.chain.types.shards import ShardStatus
from teetee.client.client import Client
from teetee.client.hosting.enclave_check import VerifiedEnclave
from teetee.client.hosting.hosting import Hosting
from teetee.client.requests.await_answer import Answered
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.collateral.rechecks import RecheckOutcome, recheck_shard
from teetee.protocol.endpoint import Endpoint
from teetee.quotes.quote import Quote, rebuild_quote
from teetee.quotes.tcb_status import TcbStatus
from tests.teetee.chain.local_chain import TEE, LocalChain, compile_contracts, running_anvil
from tests.teetee.chain.refusals import refused_with
from tests.teetee.cli.terminal import at_lab, teetee
from tests.teetee.client.lab import AttestedChain, AtWork, Lab, LabEnclave, borrowed

pytestmark = pytest.mark.timeout(120)

UP_TO_DATE, OUT_OF_DATE = 0, 4
"""Automata's numbers."""


class AutomatasChain(AttestedChain):
    """Its registry's verifier is the adapter."""

    automata: Contract

    def create(self, name: str, *arguments: Any) -> Contract:
        if name != "AcceptingVerifier":
            return super().create(name, *arguments)
        certificates = LocalChain.create(self, "PckCertificates", self._root_der)
        self._certificates = str(certificates.address)
        self.automata = LocalChain.create(self, "RecordedAutomata")
        return LocalChain.create(
            self, "AutomataVerifier", self.automata.address, certificates.address
        )

    def automata_says(self, quote: Quote, *, success: bool, output: bytes) -> None:
        """From now on, about that quote."""
        recorded = self.automata.functions.record(quote.encode(), 0, success, output)
        self.act(self.deployer, recorded)

    def automata_returns(self, quote: Quote, number: int) -> None:
        """In the form of its contracts' output."""
        head = bytes([0, quote.header[0], 0, 2, number])
        self.automata_says(quote, success=True, output=head + FMSPC + quote.td_report)


class AutomatasLab(Lab):
    """With hosts that act on such a chain."""

    chain: AutomatasChain

    def hosting(self, enclave: LabEnclave) -> Hosting:
        return Hosting(
            self.contracts(),
            enclave.host,
            self.world.sender(enclave.host),
            quotes=self.quote_check(),
            notify=lambda _: None,
            collateral=self.synchronization(enclave.host),
        )

    def verified(self, enclave: LabEnclave) -> VerifiedEnclave:
        listening_at = Endpoint.parse(enclave.endpoint)
        return self.hosting(enclave).verify_enclave(
            listening_at, enclave.endpoint, str(enclave.host.address)
        )

    def enrolled(self, first: int, end: int, *, is_entry: bool = False) -> tuple[LabEnclave, Quote]:
        enclave = self.enclave(first, end, is_entry=is_entry)
        verified = self.verified(enclave)
        self.chain.automata_returns(verified.quote, UP_TO_DATE)
        enclave.shard_id = self.hosting(enclave).enrol(verified).shard_id
        return enclave, verified.quote

    def recheck(self, enclave: LabEnclave) -> RecheckOutcome:
        registry = self.contracts().registry
        assert enclave.shard_id is not None
        sender = self.world.sender(self.world.account("passer-by"))
        return recheck_shard(registry, sender, registry.shard(enclave.shard_id))


@contextmanager
def automatas_lab(folder: Path) -> Iterator[AutomatasLab]:
    compile_contracts()
    pki = SimulatedPki.from_seed(b"the adapter's tests" + bytes(13))
    with running_anvil() as url:
        lab = AutomatasLab(AutomatasChain(url, pki.root.der), pki, folder)
        yield lab
        lab.close()


@pytest.fixture(scope="module")
def _fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutomatasLab]:
    with automatas_lab(tmp_path_factory.mktemp("automata")) as lab:
        yield lab


@pytest.fixture
def automatas(_fresh: AutomatasLab) -> Iterator[AutomatasLab]:
    with borrowed(_fresh):
        yield _fresh


# ---------------------------------------------------------------- which verifier it is


def test_is_adapter__of_either_verifier__is_found_out(lab: Lab, automatas: AutomatasLab) -> None:
    assert not lab.contracts().registry.verifier.is_adapter
    assert automatas.contracts().registry.verifier.is_adapter


def test_is_adapter__no_contract_there__is_none(lab: Lab) -> None:
    deployment = type(lab.chain.deployment)(
        **{
            name: getattr(lab.chain.deployment, name)
            for name in lab.chain.deployment.__slots__
            if name != "verifier"
        },
        verifier=str(lab.chain.deployer.address),
    )
    assert not QuoteVerifier(lab.contracts().connection, deployment).is_adapter


# ---------------------------------------------------------------- enrolment


def test_enrol__accepted_by_automata__sends_the_chain_and_no_collateral(
    automatas: AutomatasLab,
) -> None:
    enclave, quote = automatas.enrolled(0, 2, is_entry=True)
    registry = automatas.contracts().registry
    assert enclave.shard_id is not None
    shard = registry.shard(enclave.shard_id)
    assert registry.quote_argument(shard) == (quote.core + quote.pck_chain, shard.pck_id)
    assert registry.quote(shard) == (quote.core, shard.pck_id)
    assert registry.claims(shard).quote_hash() == shard.quote_hash
    assert (shard.tcb_status, shard.evaluation_number, shard.collateral_until) == (
        TcbStatus.UP_TO_DATE,
        0,
        0,
    )
    raw = rebuild_quote(quote.core, *Quote.parse(quote.encode()).pck_chain_der())
    assert raw == quote.encode()


def test_enrol__out_of_date_with_success__refused_by_the_default_policy(
    automatas: AutomatasLab,
) -> None:
    enclave = automatas.enclave(0, 2, is_entry=True)
    verified = automatas.verified(enclave)
    automatas.chain.automata_returns(verified.quote, OUT_OF_DATE)
    with refused_with("TcbStatusRefused") as refused:
        automatas.hosting(enclave).enrol(verified)
    assert refused.value.arguments["status"] == TcbStatus.OUT_OF_DATE.value


def test_enrol__refused_by_automata__says_why(automatas: AutomatasLab) -> None:
    enclave = automatas.enclave(0, 2, is_entry=True)
    verified = automatas.verified(enclave)
    automatas.chain.automata_says(verified.quote, success=False, output=b"X509VE")
    with refused_with("AutomataRefused") as refused:
        automatas.hosting(enclave).enrol(verified)
    assert "X509VE" in str(refused.value)


def test_renew__with_a_fresh_quote__sends_the_chain(automatas: AutomatasLab) -> None:
    enclave, _ = automatas.enrolled(0, 2, is_entry=True)
    registry = automatas.contracts().registry
    assert enclave.shard_id is not None
    automatas.chain.rpc("evm_mine")
    verified = automatas.verified(enclave)
    automatas.chain.automata_returns(verified.quote, UP_TO_DATE)
    automatas.hosting(enclave).renew(registry.shard(enclave.shard_id), verified)
    renewed = automatas.contracts().registry.shard(enclave.shard_id)
    assert registry.quote(renewed) == (verified.quote.core, verified.pck_id)


# ---------------------------------------------------------------- afterwards


def test_verify__a_question_answered_by_such_shards__all_checks_hold(
    automatas: AutomatasLab, tmp_path: Path
) -> None:
    path = [
        automatas.enrolled(first, end, is_entry=first == 0)[0]
        for first, end in ((0, 2), (2, 4), (4, 6))
    ]
    client = Client(
        automatas.contracts(),
        automatas.world.account("requester", tokens=10 * TEE),
        quotes=automatas.quote_check(),
        verification_quotes=automatas.quote_check(),
        pending=PendingRequests(tmp_path),
        poll_seconds=0.05,
    )
    with AtWork(automatas, lambda opened: automatas.settle(opened, path)):
        outcome = client.ask(
            RequestSpec("Who looks both ways?", max_tokens=20, deadline_seconds=60)
        )
    assert isinstance(outcome, Answered)
    report = client.verify(outcome.request_id)
    assert [check for check in report.checks if not check.ok] == []
    assert report.verified


def test_recheck__no_news__sends_nothing(automatas: AutomatasLab) -> None:
    enclave, _ = automatas.enrolled(0, 2, is_entry=True)
    before = automatas.contracts().connection.head().number
    stays = automatas.recheck(enclave)
    assert (stays.after, stays.error, stays.sent) == (ShardStatus.ACTIVE, None, None)
    # the passer-by's funds take no block
    assert automatas.contracts().connection.head().number == before


def test_recheck__out_of_date_by_now__is_evicted(automatas: AutomatasLab) -> None:
    enclave, quote = automatas.enrolled(0, 2, is_entry=True)
    automatas.chain.automata_returns(quote, OUT_OF_DATE)
    left = automatas.recheck(enclave)
    assert (left.after, left.error) == (ShardStatus.EVICTED, None)


def test_recheck__below_every_level__is_evicted_unless_tcb_info_has_ended(
    automatas: AutomatasLab,
) -> None:
    enclave, quote = automatas.enrolled(0, 2, is_entry=True)
    chain = automatas.chain
    chain.automata_says(quote, success=False, output=b"TCBR")
    chain.act(chain.deployer, chain.automata.functions.setStale(True))
    assert automatas.recheck(enclave).after is ShardStatus.ACTIVE
    chain.act(chain.deployer, chain.automata.functions.setStale(False))
    assert automatas.recheck(enclave).after is ShardStatus.EVICTED


def test_recheck__refused_for_anything_else__is_left_alone(automatas: AutomatasLab) -> None:
    enclave, quote = automatas.enrolled(0, 2, is_entry=True)
    automatas.chain.automata_says(quote, success=False, output=b"QEIDVE")
    stays = automatas.recheck(enclave)
    assert (stays.after, stays.error, stays.sent) == (ShardStatus.ACTIVE, None, None)


# ---------------------------------------------------------------- collateral


@pytest.mark.parametrize("verb", ["show", "sync"])
def test_command_collateral__is_kept_elsewhere__says_so(
    automatas: AutomatasLab, tmp_path: Path, verb: str
) -> None:
    env = at_lab(automatas, tmp_path, automatas.world.account("caretaker"))
    output = teetee("collateral", verb, "--json", env=env)
    assert output.status == 1
    assert output.json["error"]["name"] == "CollateralKeptElsewhere"


def test_bring__by_an_enclave__is_nothing(automatas: AutomatasLab) -> None:
    enclave, _ = automatas.enrolled(0, 2, is_entry=True)

    class Running:
        connection = automatas.contracts().connection
        deployment = automatas.chain.deployment
        sender = TransactionSender(connection, enclave.keys.signer)

    collateral = ChainCollateral(automatas.pccs_url, Running())  # type: ignore[arg-type]
    assert list(collateral.upload_newer()) == []
    assert [each.after for each in collateral.recheck_shards()] == [ShardStatus.ACTIVE]
