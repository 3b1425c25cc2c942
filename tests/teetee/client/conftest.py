"""One attested chain with an entry and two more enclaves, enrolled, for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tee_simulator.pki import TestPki
from teetee.client.endpoint import Endpoint
from teetee.client.hosting import Hosting
from tests.teetee.chain.local_chain import compile_contracts, running_anvil
from tests.teetee.client.lab import AttestedChain, Lab, LabEnclave


def enrol(lab: Lab, enclave: LabEnclave) -> None:
    """By its host, as `teetee host enrol` does."""
    hosting = Hosting(
        lab.contracts(),
        enclave.host,
        lab.world.sender(enclave.host),
        quotes=lab.quote_check(),
        notify=lambda _: None,
    )
    proven = hosting.prove(
        Endpoint.parse(enclave.endpoint), enclave.endpoint, str(enclave.host.address)
    )
    enclave.shard_id = hosting.enrol(proven).shard_id


@pytest.fixture(scope="session")
def _enrolled_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    compile_contracts()
    pki = TestPki.from_seed(b"the wallet's tests" + bytes(14))
    with running_anvil() as url:
        lab = Lab(AttestedChain(url, pki.root.der), pki, tmp_path_factory.mktemp("lab"))
        for first, end, is_entry in ((0, 2, True), (2, 4, False), (4, 6, False)):
            enrol(lab, lab.enclave(first, end, is_entry=is_entry))
        yield lab
        lab.close()


@pytest.fixture
def lab(_enrolled_lab: Lab) -> Iterator[Lab]:
    """Tests may pass time, retire and refund: afterwards the chain is as before."""
    snapshot = _enrolled_lab.chain.rpc("evm_snapshot")
    enclaves = list(_enrolled_lab.enclaves)
    yield _enrolled_lab
    _enrolled_lab.chain.rpc("evm_revert", snapshot)
    for enclave in _enrolled_lab.enclaves[len(enclaves) :]:
        enclave.server.__exit__()
    _enrolled_lab.enclaves[:] = enclaves
    _enrolled_lab.texts.clear()
