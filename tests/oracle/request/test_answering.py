# SPDX-License-Identifier: Apache-2.0
"""From an envelope to a sealed answer, over real envelopes and a runtime in memory.

given an envelope for this shard
    it should give a sealed answer that its requester can open, with a signed settlement and the
    receipts
    a sampling without a seed should get one from the request's secret; the caps that were paid for
    should hold
given an envelope that does not open, a prompt that is none, or one that is longer than paid for
    it should refuse, with a reason that reveals nothing else
given a path that breaks
    it should continue without the failed shard and record its failure; without a replica, say so
given time that runs out, or a process that stops
    it should give up: with a refusal in the first case (for lack of a path if the last one broke),
    and without an outcome in the second
given any outcome
    no text should be kept, and none should be in the outcome
"""

import threading
from typing import Any

import pytest
from eth_utils.crypto import keccak

from oracle.errors import Stopped
from oracle.inference.errors import NoPath, NoPermittedPath
from oracle.inference.inference import Inference
from oracle.inference.live_text import LiveTexts
from oracle.process.logs import open_log
from oracle.records import Answered, Opening, Refused
from oracle.request.answering import EnvelopeAnswerer
from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import (
    CacheFull,
    ChatTemplateExceeded,
    ContextOverflow,
    EntryClosed,
    PeerUnknown,
    RunCancelled,
    StageFailed,
    StageMisbehaved,
    StageSilent,
)
from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.protocol.envelope import open_answer, read_earlier_shards, seal_prompt
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.prompt import Message, Prompt, Sampling, ShardChoice
from teetee.protocol.request_secret import RequestSecret
from teetee.protocol.sealing.key import SealingPrivateKey
from tests.oracle.fake_chain import CHAIN_ID, ESCROW, REQUESTER, SHARD, context
from tests.oracle.inference.fake_runtime import LAST, REPLICA, TEXT, FakeEntry, FakePaths
from tests.oracle.workbench import ACCOUNT, DOMAIN

KEM = SealingPrivateKey.from_seed(b"k" * 32)
OTHER_KEM = SealingPrivateKey.from_seed(b"o" * 32)
SECRET = RequestSecret(b"s" * 32)
NUMBER = RequestId(3)
ANY_SHARD = ShardChoice()


class Desk:
    """An `EnvelopeAnswerer` with its fakes."""

    def __init__(self) -> None:
        self.entry = FakeEntry()
        self.paths = FakePaths()
        self.texts = LiveTexts()
        self.abandon = threading.Event()
        self.answerer = EnvelopeAnswerer(
            inference=Inference(
                entry=self.entry, paths=self.paths, abandon=self.abandon, log=open_log()
            ),
            texts=self.texts,
            shard_id=SHARD,
            kem=KEM,
            signer=ACCOUNT,
        )

    def answer(self, opening: Opening, *, give_up: bool = False) -> Any:
        return self.answerer.answer(opening, give_up=lambda: give_up)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def opening(
    text: str = TEXT,
    *,
    kem: SealingPrivateKey = KEM,
    envelope: bytes | None = None,
    shards: ShardChoice = ANY_SHARD,
    **sampling: Any,
) -> Opening:
    options = Sampling(**({"max_tokens": 50} | sampling))
    recipient = (SHARD, kem.public_key)
    prompt = Prompt((Message("user", text),), options, shards)
    sealed = seal_prompt(prompt, SECRET, context(), [recipient])
    request = Request(
        request_id=NUMBER,
        requester=REQUESTER,
        model_id=ModelId(1),
        status=RequestStatus.OPEN,
        opened_at=1_000,
        deadline=1_100,
        max_input_tokens=10,
        max_output_tokens=20,
        input_price=1,
        output_price=2,
        deposit=50,
        recipients=(SHARD,),
        nonce_prefix=bytes(4),
    )
    return Opening(request, CHAIN_ID, ESCROW, bytes(32), 1, envelope or sealed)


def test_answer__envelope_is_for_us__gives_a_sealed_answer_and_a_signed_settlement(
    desk: Desk,
) -> None:
    outcome = desk.answer(opening())
    assert isinstance(outcome, Answered)
    answer = open_answer(outcome.answer, SECRET, context(), NUMBER)
    assert (answer.text, answer.token_ids, answer.finish_reason) == (TEXT, (7, 8), "stop")
    settlement = outcome.signed.settlement
    assert (settlement.input_tokens, settlement.output_tokens) == (3, 2)
    assert settlement.answer_hash == keccak(outcome.answer)
    assert settlement.last_receipt == outcome.receipts[-1].receipt.struct_hash()
    assert outcome.signed.recover(DOMAIN) == ACCOUNT.address
    (run,) = desk.entry.runs
    assert run["path"] == (SHARD, REPLICA)
    assert run["salts"] == tuple(SECRET.commitment_salt(context(), hop) for hop in range(3))


def test_answer__no_seed_was_asked_for__takes_it_from_the_secret_and_keeps_to_what_was_paid(
    desk: Desk,
) -> None:
    desk.answer(opening(temperature=1.0))
    sampling = desk.entry.runs[0]["sampling"]
    assert (sampling.seed, sampling.max_tokens) == (SECRET.seed(context()), 20)
    desk.answer(opening(temperature=1.0, seed=5, max_tokens=7))
    sampling = desk.entry.runs[1]["sampling"]
    assert (sampling.seed, sampling.max_tokens) == (5, 7)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(opening(kem=OTHER_KEM), DeclineReason.UNREADABLE, id="other key"),
        pytest.param(opening(envelope=b"nonsense"), DeclineReason.UNREADABLE, id="malformed"),
        pytest.param(opening("w " * 11), DeclineReason.INVALID, id="longer than paid for"),
    ],
)
def test_answer__envelope_or_prompt_is_at_fault__refuses_without_a_run(
    desk: Desk, given: Opening, reason: DeclineReason
) -> None:
    assert desk.answer(given) == Refused(reason)
    assert desk.entry.runs == []


def test_answer__envelope_was_copied_from_another_requester__refuses(desk: Desk) -> None:
    """THREATS row 25."""
    copied = opening()
    request = Request(
        **{
            name: getattr(copied.request, name)
            for name in Request.__dataclass_fields__
            if name != "requester"
        },
        requester=ESCROW,
    )
    stolen = Opening(request, CHAIN_ID, ESCROW, bytes(32), 1, copied.envelope)
    assert desk.answer(stolen) == Refused(DeclineReason.UNREADABLE)


def test_b3__template_takes_too_long_on_a_machine_that_stood_still__is_not_invalid(
    desk: Desk,
) -> None:
    desk.entry.check_error = ChatTemplateExceeded()
    assert desk.answer(opening()) == Refused(DeclineReason.OVERLOADED)


def test_answer__model_cannot_read_so_much__refuses(desk: Desk) -> None:
    desk.entry.check_error = ContextOverflow(9, 8)
    assert desk.answer(opening()) == Refused(DeclineReason.INVALID)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(StageFailed(1, REPLICA, AbortReason.LINK_LOST), id="stage failed"),
        pytest.param(StageMisbehaved(1, REPLICA, "lied"), id="stage misbehaved"),
        pytest.param(StageSilent((REPLICA,), 60.0), id="stage silent"),
        pytest.param(PeerUnknown(REPLICA), id="peer gone"),
    ],
)
def test_answer__path_breaks__takes_another_without_the_shard_that_failed(
    desk: Desk, failure: Exception
) -> None:
    desk.entry.plan = [failure, None]
    assert isinstance(desk.answer(opening()), Answered)
    assert [run["path"] for run in desk.entry.runs] == [(SHARD, REPLICA), (SHARD, LAST)]
    assert desk.paths.failed == [REPLICA]
    assert desk.paths.until == {1_100}


def test_h11__path_breaks__sealed_answer_names_its_shards(desk: Desk) -> None:
    desk.entry.plan = [StageSilent((REPLICA,), 1.2), None]
    outcome = desk.answer(opening())
    assert isinstance(outcome, Answered)
    assert open_answer(outcome.answer, SECRET, context(), NUMBER).earlier_shards == (REPLICA,)
    assert read_earlier_shards(outcome.answer) == (REPLICA,)


def test_h11__runs_broke_over_more_shards_than_an_answer_names__refuses(desk: Desk) -> None:
    desk.entry.earlier_shards = tuple(ShardId(each) for each in range(100, 200))
    assert desk.answer(opening()) == Refused(DeclineReason.NO_PATH)


def test_b4__own_choice_of_shards_gives_no_path__is_found_before_a_run(desk: Desk) -> None:
    nowhere = opening(shards=ShardChoice(only=(ShardId(4_000_000),)))
    with pytest.raises(NoPermittedPath):
        desk.answerer.screen(nowhere)
    assert desk.answerer.screen(opening(shards=ShardChoice(avoid=(REPLICA,)))) is None
    desk.paths.has_path = False
    assert desk.answerer.screen(nowhere) is None, "the fault is not the requester's"


def test_m11__requester_avoids_a_shard__its_path_does_without(desk: Desk) -> None:
    assert isinstance(desk.answer(opening(shards=ShardChoice(avoid=(REPLICA,)))), Answered)
    assert [run["path"] for run in desk.entry.runs] == [(SHARD, LAST)]


def test_answer__no_replica_is_left_until_time_runs_out__refuses_for_want_of_a_path(
    desk: Desk,
) -> None:
    desk.entry.plan = [StageSilent((REPLICA, LAST), 60.0)]
    assert desk.answer(opening()) == Refused(DeclineReason.NO_PATH)
    assert (desk.paths.failed, desk.paths.parted) == ([], [(REPLICA, LAST)])


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        pytest.param(StageSilent((REPLICA,), 1.2), DeclineReason.NO_PATH, id="stage silent"),
        pytest.param(
            StageFailed(1, REPLICA, AbortReason.CACHE_FULL),
            DeclineReason.OVERLOADED,
            id="stage full",
        ),
    ],
)
def test_answer__time_runs_out_on_another_try__refuses_for_what_broke_the_last_one(
    desk: Desk, failure: Exception, reason: DeclineReason
) -> None:
    desk.entry.plan = [failure, RunCancelled()]
    assert desk.answer(opening()) == Refused(reason)


def test_answer__no_path_at_all__says_so_before_anything_begins(desk: Desk) -> None:
    desk.paths.has_path = False
    with pytest.raises(NoPath):
        desk.answer(opening())
    assert desk.entry.runs == []


def test_answer__no_room_in_the_cache__may_be_tried_again(desk: Desk) -> None:
    desk.entry.plan = [CacheFull(2, 1, 2)]
    with pytest.raises(CacheFull):
        desk.answer(opening())


def test_answer__time_runs_out_while_it_runs__refuses(desk: Desk) -> None:
    assert desk.answer(opening(), give_up=True) == Refused(DeclineReason.OVERLOADED)


def test_answer__process_lets_go_while_it_runs__leaves_it_to_the_next_start(desk: Desk) -> None:
    desk.abandon.set()
    with pytest.raises(Stopped):
        desk.answer(opening())


def test_answer__runtime_is_closed__leaves_it_to_the_next_start(desk: Desk) -> None:
    desk.entry.plan = [EntryClosed()]
    with pytest.raises(Stopped):
        desk.answer(opening())


def test_answer__whatever_comes_out__no_text_is_kept_or_shown(desk: Desk) -> None:
    outcome = desk.answer(opening())
    assert desk.texts.find(NUMBER) is None
    assert TEXT not in repr(outcome) + str(outcome.to_json())
    desk.entry.plan = [StageFailed(1, REPLICA, AbortReason.INTERNAL), ValueError("unexpected")]
    with pytest.raises(ValueError, match="unexpected"):
        desk.answer(opening())
    assert desk.texts.find(NUMBER) is None
