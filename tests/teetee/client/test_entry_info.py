# SPDX-License-Identifier: Apache-2.0
"""What a wallet pays for a chat template.

given an entry that says what its template adds
    when a short question is asked
        it should be paid right the first time, whatever the length of the template
        it should be refused before paying if the context is too short for the template
given an entry that cannot be asked, says nonsense, or is of an older image
    when a question is asked
        it should be paid as usual, with a warning unless the image is older
        the next entry should be asked first
given an entry's sealing key
    when it is not the one whose hash the registry keeps, or none
        nothing should be sealed, sent or paid
given the model's manifest
    when the command gets it
        no entry should be asked
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from teetee.chain.types.shards import Shard
from teetee.client.client import Client
from teetee.client.errors import EnclaveUnreachable, PromptTooLong, SealingKeyRefused
from teetee.client.requests import entry_info
from teetee.client.requests.entry_info import (
    SealingKeys,
    ask_template_tokens,
    fetch_sealing_key,
)
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.client.requests.request_terms import TEMPLATE_TOKENS
from teetee.protocol.endpoint import INFO_ALPN, STREAM_ALPN
from teetee.protocol.identifiers import ShardId
from teetee.protocol.prompt import TemplateTokens
from teetee.protocol.sealing.key import SealingPrivateKey
from tests.teetee.chain.local_chain import TEE, free_port
from tests.teetee.chain.world import MANIFEST
from tests.teetee.cli.terminal import at_lab, teetee
from tests.teetee.client.entry_server import EntryServer, enclave_keys, says
from tests.teetee.client.lab import ANSWER, AtWork, Lab

pytestmark = pytest.mark.timeout(60)

LONG = TemplateTokens(alone=603, with_system=12, per_message=4)
QUESTION = RequestSpec("Why?", max_tokens=20, deadline_seconds=60)


def reply(template: TemplateTokens) -> dict[str, Any]:
    return {"templateTokens": template.to_json()}


def shard_at(lab: Lab, server: EntryServer | str, seed: int = 1) -> Shard:
    """An entry of the lab, but at another endpoint and with that server's key."""
    [entry] = [each for each in lab.world.registry.active_shards(lab.model_id) if each.is_entry]
    endpoint = server if isinstance(server, str) else server.endpoint
    keyset = dataclasses.replace(entry.keyset, tls=enclave_keys(seed).keyset.tls)
    return dataclasses.replace(entry, endpoint=endpoint, keyset=keyset)


def make_client(lab: Lab, folder: Path) -> Client:
    return Client(
        lab.contracts(),
        lab.world.account("requester", tokens=10 * TEE),
        quotes=None,
        verification_quotes=lab.quote_check(),
        pending=PendingRequests(folder),
        poll_seconds=0.05,
    )


@pytest.mark.parametrize(
    ("spec", "tokens"),
    [
        (QUESTION, 4 + 603 + 4),
        (dataclasses.replace(QUESTION, system="Be short."), 4 + 9 + 12 + 2 * 4),
    ],
    ids=["a question alone", "with a system message"],
)
def test_prepare_offer__entry_says_what_its_template_adds__pays_for_it(
    lab: Lab, tmp_path: Path, spec: RequestSpec, tokens: int
) -> None:
    lab.template = LONG
    offer = make_client(lab, tmp_path).prepare_offer(spec)
    assert offer.terms.caps.certain
    # The envelope's bucket instead of the text's bytes, and the longer of the template's two forms.
    assert tokens <= offer.terms.caps.input_tokens <= 512 + 603 + 2 * 4 + 16


def test_prepare_offer__template_longer_than_the_context__is_refused_before_paying(
    lab: Lab, tmp_path: Path
) -> None:
    lab.template = dataclasses.replace(LONG, alone=MANIFEST.context_length)
    with pytest.raises(PromptTooLong, match=str(MANIFEST.context_length)):
        make_client(lab, tmp_path).prepare_offer(QUESTION)


def test_prepare_offer__entry_does_not_know__pays_as_usual(lab: Lab, tmp_path: Path) -> None:
    warnings: list[str] = []
    offer = make_client(lab, tmp_path).prepare_offer(QUESTION, warnings.append)
    assert offer.terms.caps.input_tokens == 512 + TEMPLATE_TOKENS + 2 * 16 + 16
    assert warnings == []


@pytest.mark.parametrize(
    "script",
    [
        {"error": "busy"},
        {"templateTokens": {"alone": 1}},
        {"templateTokens": {"alone": -1, "withSystem": 0, "perMessage": 0}},
        {"templateTokens": {"alone": 1 << 40, "withSystem": 0, "perMessage": 0}},
        {"templateTokens": {"alone": "9", "withSystem": 0, "perMessage": 0}},
        {"templateTokens": {"alone": True, "withSystem": 0, "perMessage": 0}},
        {"templateTokens": []},
        {},
    ],
    ids=str,
)
def test_ask_template_tokens__nonsense__warns_and_asks_the_next(
    lab: Lab, script: dict[str, Any]
) -> None:
    warnings: list[str] = []
    with (
        EntryServer(enclave_keys(), INFO_ALPN, says(script)) as broken,
        EntryServer(enclave_keys(2), INFO_ALPN, says(reply(LONG))) as sound,
    ):
        entries = [shard_at(lab, broken), shard_at(lab, sound, 2)]
        assert ask_template_tokens(entries, warnings.append) == LONG
        assert warnings == []
        assert ask_template_tokens(entries[:1], warnings.append) is None
    assert "--max-input-tokens" in warnings[0]


def test_ask_template_tokens__nothing_listens__warns(lab: Lab) -> None:
    warnings: list[str] = []
    entry = shard_at(lab, f"127.0.0.1:{free_port()}")
    assert ask_template_tokens([entry], warnings.append) is None
    assert "cannot be reached" in warnings[0]


def test_ask_template_tokens__another_key__is_not_believed(lab: Lab) -> None:
    warnings: list[str] = []
    with EntryServer(enclave_keys(3), INFO_ALPN, says(reply(LONG))) as server:
        assert ask_template_tokens([shard_at(lab, server)], warnings.append) is None
        assert server.received == []
    assert "another key" in warnings[0]


def test_ask_template_tokens__older_image__is_silent(lab: Lab) -> None:
    warnings: list[str] = []
    with EntryServer(enclave_keys(), STREAM_ALPN, says({})) as server:
        assert ask_template_tokens([shard_at(lab, server)], warnings.append) is None
    assert warnings == []


def test_ask_template_tokens__no_template__is_none_without_a_warning(lab: Lab) -> None:
    with EntryServer(enclave_keys(), INFO_ALPN, says({"templateTokens": None})) as server:
        assert ask_template_tokens([shard_at(lab, server)], pytest.fail) is None
        assert server.received == [{}]


OTHER_KEY = "0x" + SealingPrivateKey.from_seed(bytes(32)).public_key.data.hex()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"sealingKey": OTHER_KEY}, SealingKeyRefused),
        ({"sealingKey": "0x00"}, SealingKeyRefused),
        ({"sealingKey": "none"}, SealingKeyRefused),
        ({"sealingKey": None}, SealingKeyRefused),
        ({"sealingKey": []}, SealingKeyRefused),
        ({"error": "busy"}, EnclaveUnreachable),
        ({}, EnclaveUnreachable),
    ],
    ids=["another key", "short", "no hex", "null", "a list", "busy", "without"],
)
def test_m8__entry_shows_another_sealing_key__is_refused(
    lab: Lab, answer: dict[str, Any], error: type[Exception]
) -> None:
    with (
        EntryServer(enclave_keys(), INFO_ALPN, says(answer)) as server,
        pytest.raises(error),
    ):
        fetch_sealing_key(shard_at(lab, server))


def test_m8__entry_is_off__nothing_is_paid(lab: Lab, tmp_path: Path) -> None:
    client = make_client(lab, tmp_path)
    offer = client.prepare_offer(QUESTION)
    away = dataclasses.replace(offer, recipients=(shard_at(lab, f"127.0.0.1:{free_port()}"),))
    before = lab.world.escrow.request_count()
    client.sealing_keys = SealingKeys()
    with pytest.raises(EnclaveUnreachable):
        client.open_request(away)
    assert lab.world.escrow.request_count() == before
    assert client.pending_requests() == []


def test_sealing_keys__asked_twice__are_fetched_once(lab: Lab) -> None:
    [entry] = [each for each in lab.world.registry.active_shards(lab.model_id) if each.is_entry]
    keys = SealingKeys()
    found = keys.of([entry])
    away = dataclasses.replace(entry, endpoint=f"127.0.0.1:{free_port()}")
    assert keys.of([away]) == found


def entry_of(lab: Lab, seed: int, endpoint: str) -> Shard:
    """An entry of that number, with those keys."""
    keyset = enclave_keys(seed).keyset
    return dataclasses.replace(shard_at(lab, endpoint), shard_id=ShardId(seed), keyset=keyset)


def key_reply(seed: int) -> dict[str, Any]:
    key = enclave_keys(seed).kem.public_key.data.hex()
    return {"templateTokens": None, "sealingKey": "0x" + key}


def test_a5__entry_is_off_or_busy__another_one_replaces_it_and_the_user_hears_of_it(
    lab: Lab,
) -> None:
    warnings: list[str] = []
    with (
        EntryServer(enclave_keys(2), INFO_ALPN, says({"error": "busy"})) as busy,
        EntryServer(enclave_keys(3), INFO_ALPN, says(key_reply(3))) as sound,
    ):
        ranked = [
            entry_of(lab, 1, f"127.0.0.1:{free_port()}"),
            entry_of(lab, 2, busy.endpoint),
            entry_of(lab, 3, sound.endpoint),
        ]
        keys = SealingKeys()
        found = keys.choose_reachable(ranked, 1, warnings.append, are_named=False)
        assert [each.shard_id for each in found] == [3]
        assert [shard_id for shard_id, _ in keys.of(found)] == [3]
        assert [each.split(" is no recipient")[0] for each in warnings] == ["Shard 1", "Shard 2"]

        warnings.clear()
        keys = SealingKeys()
        found = keys.choose_reachable(ranked, 2, warnings.append, are_named=True)
        assert [each.shard_id for each in found] == [3]
        assert warnings[0].startswith("Shard 1, which you named,")
        assert warnings[-1].startswith("No other entry answers: 1 of 2")


def test_a5__no_entry_answers__nothing_is_sealed(lab: Lab) -> None:
    ranked = [entry_of(lab, seed, f"127.0.0.1:{free_port()}") for seed in (1, 2)]
    with pytest.raises(EnclaveUnreachable):
        SealingKeys().choose_reachable(ranked, 1, lambda _: None, are_named=False)


def test_a5__slow_entries__are_asked_at_the_same_time_and_not_waited_for_long(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_info, "MAX_SECONDS", 0.5)
    release = threading.Event()

    def hold(*_: object) -> None:
        release.wait(20)

    with (
        EntryServer(enclave_keys(1), INFO_ALPN, hold) as first,
        EntryServer(enclave_keys(2), INFO_ALPN, hold) as second,
    ):
        ranked = [entry_of(lab, 1, first.endpoint), entry_of(lab, 2, second.endpoint)]
        started_at = time.monotonic()
        with pytest.raises(EnclaveUnreachable, match="in time"):
            SealingKeys().choose_reachable(ranked, 2, lambda _: None, are_named=False)
        assert time.monotonic() - started_at < 4.0
        release.set()


def test_ask__manifest_given__pays_by_it_and_asks_no_entry(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(dataclasses.replace(MANIFEST, template_tokens=LONG).to_json())
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=10 * TEE))
    lab.template = TemplateTokens(1, 1, 1)
    with AtWork(lab, lambda opened: lab.settle(opened, lab.enclaves[:3])):
        options = ("--manifest", str(path), "--json", "--no-verify", "--deadline", "60")
        result = teetee("ask", "Why?", *options, env=env)
    assert (result.status, result.json["answer"]) == (0, ANSWER)
    request = lab.world.escrow.request_of(result.json["requestId"])
    assert request.max_input_tokens >= 4 + 603 + 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (MANIFEST.to_json(), "template_tokens is missing"),
        ("[]", "must be an object"),
        (json.dumps({"template_tokens": {}}), "must be an object"),
        (None, "cannot be read"),
    ],
    ids=["without", "no manifest", "template alone", "no file"],
)
def test_ask__manifest_that_says_nothing__is_refused(
    lab: Lab, tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content)
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    result = teetee("ask", "Why?", "--manifest", str(path), "--json", env=env)
    assert (result.status, result.json["error"]["name"]) == (1, "ManifestInvalid")
    assert words in result.json["error"]["message"]
