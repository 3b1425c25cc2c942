"""`ape run enroll_shard`

given an enclave's answer of now
    it should enrol the shard, with its bond, for the host that sent it
given where an enclave listens
    it should ask it for a quote over the newest block, and enrol with the answer
    when it is only to write the answer down
        it should send nothing, and the file should serve later
given another host's answer
    it should be told before anything is sent
given an answer with one changed byte in the quote's signed part
    it should be refused by the contract, in its words
given an enclave under another root
    it should name both roots
given a file that is no answer
    it should say what is missing
given neither an enclave nor a document
    it should say how to name one
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tee_simulator import TestPki
from teetee.protocol.layers import LayerRange
from tests.contracts.conftest import BOND, Cast, EnrolledShard, House
from tests.contracts.enclaves import Enclave, write_json
from tests.contracts.enrol_endpoint import enrol_endpoint
from tests.contracts.scripts import Scripts

Documents = Callable[..., dict[str, Any]]


@pytest.fixture
def document(
    document_of: Documents, folder: Path, pki: TestPki, cast: Cast, model_id: int, house: House
) -> dict[str, Any]:
    """Of an enclave that is not enrolled yet."""
    house.token.transfer(cast.last_host, BOND, sender=cast.treasury)
    spare = Enclave.start(folder, "spare", pki, LayerRange(2, 4))
    return document_of(spare, cast.last_host, model_id)


def enrol(scripts: Scripts, file: Path) -> str:
    return scripts.fail("enroll_shard", "--document", str(file), account=Cast.named("last_host"))


def test_enroll_shard__enclaves_answer__is_an_active_shard_of_its_host(
    path: tuple[EnrolledShard, EnrolledShard], house: House, cast: Cast
) -> None:
    entry, last = path
    stored = house.registry.shard(entry.shard_id)
    assert (stored.host, stored.signer) == (
        cast.entry_host.address,
        entry.enclave.keys.signer.address,
    )
    assert (stored.firstLayer, stored.endLayer, stored.isEntry) == (0, 2, True)
    assert stored.bond == BOND
    assert house.registry.isActive(entry.shard_id)
    assert house.registry.isActive(last.shard_id)
    assert house.registry.payoutOf(cast.entry_host) == cast.entry_host.address


@pytest.fixture
def listening(
    document_of: Documents, folder: Path, pki: TestPki, cast: Cast, model_id: int, house: House
) -> Iterator[str]:
    """Where another enclave of the last host answers, once."""
    house.token.transfer(cast.last_host, BOND, sender=cast.treasury)
    enclave = Enclave.start(folder, "listening", pki, LayerRange(2, 4))

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        whole = document_of(enclave, cast.last_host, model_id, endpoint=question["endpoint"])
        assert {name: whole[name] for name in question} == question
        return {name: value for name, value in whole.items() if name not in question}

    with enrol_endpoint(enclave.keys, folder, answer) as address:
        yield address


def test_enroll_shard__listening_enclave__is_asked_and_enrolled(
    scripts: Scripts, house: House, listening: str
) -> None:
    enrolled = scripts.facts(
        *("enroll_shard", "--enclave", listening, "--endpoint", "shard.example:7443"),
        account=Cast.named("last_host"),
    )
    assert house.registry.isActive(enrolled["shardId"])
    assert enrolled["layers"] == [2, 4]


def test_enroll_shard__answer_written_down__sends_nothing_and_serves_later(
    scripts: Scripts, house: House, listening: str, tmp_path: Path
) -> None:
    shards, file = house.registry.shardCount(), tmp_path / "enrolment.json"
    host = Cast.named("last_host")
    scripts.succeed("enroll_shard", "--enclave", listening, "--write", str(file), account=host)
    assert house.registry.shardCount() == shards
    scripts.succeed("enroll_shard", "--document", str(file), account=host)
    assert house.registry.shardCount() == shards + 1


def test_enroll_shard__other_hosts_answer__is_told_before_anything_is_sent(
    scripts: Scripts,
    document_of: Documents,
    last: Enclave,
    cast: Cast,
    model_id: int,
    tmp_path: Path,
) -> None:
    nonce = cast.last_host.nonce
    file = write_json(tmp_path / "d.json", document_of(last, cast.stranger, model_id))
    complaint = enrol(scripts, file)
    assert f"host {cast.stranger.address}, and {cast.last_host.address} is meant" in complaint
    assert cast.last_host.nonce == nonce


def test_enroll_shard__changed_quote__is_refused_in_the_contracts_words(
    scripts: Scripts, document: dict[str, Any], tmp_path: Path, house: House
) -> None:
    quote = bytearray.fromhex(document["quote"][2:])
    quote[48 + 136] ^= 1  # MRTD
    file = write_json(tmp_path / "d.json", document | {"quote": "0x" + quote.hex()})
    shards = house.registry.shardCount()
    assert "QuoteSignatureInvalid()" in enrol(scripts, file)
    assert house.registry.shardCount() == shards


def test_enroll_shard__enclave_under_another_root__names_both_roots(
    scripts: Scripts,
    document_of: Documents,
    cast: Cast,
    model_id: int,
    house: House,
    tmp_path: Path,
) -> None:
    other = TestPki.open(tmp_path / "pki")
    enclave = Enclave.start(tmp_path, "foreign", other, LayerRange(2, 4))
    file = write_json(tmp_path / "d.json", document_of(enclave, cast.last_host, model_id))
    complaint = enrol(scripts, file)
    assert house.deployment.root_ca_fingerprint.hex() in complaint
    assert "chains to the root 0x" in complaint


def test_enroll_shard__file_without_a_field__names_it(
    scripts: Scripts, document: dict[str, Any], tmp_path: Path
) -> None:
    del document["kem"]
    assert "kem is missing" in enrol(scripts, write_json(tmp_path / "d.json", document))


def test_enroll_shard__neither_enclave_nor_document__says_how_to_name_one(
    scripts: Scripts, house: House
) -> None:
    result = scripts.run("enroll_shard")
    assert result.exit_code == 2
    assert "Name either an --enclave or a --document." in result.output
