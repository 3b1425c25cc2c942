# SPDX-License-Identifier: Apache-2.0
"""`teetee-stream/1`.

given a request that runs
    when the listener proves that it knows k: it should get the text from its beginning, then the
        end
    when the proof is wrong, for another request, or malformed: it should get a refusal and no text
    when two listen: both should get everything
given a request that does not run
    it should answer like for a wrong proof
given too many listeners, or too many per second
    it should answer busy
given a run that breaks off
    it should say so; the next run should start a new text
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from oracle.endpoints.rate_limits import ConcurrencyLimit, RateLimit
from oracle.endpoints.stream import PADDING_BYTES, StreamEndpoint
from oracle.inference.live_text import Finished, Interrupted, LiveTexts, Piece
from shard_runtime.errors import LinkClosed
from teetee.protocol.identifiers import RequestId
from teetee.protocol.request_secret import RequestSecret
from tests.oracle.fake_chain import context
from tests.oracle.fake_stream import FakeStream

SECRET = RequestSecret(b"k" * 32)
NUMBER = RequestId(3)
PROOF = SECRET.stream_proof(context(), NUMBER)
HELLO = {"requestId": 3, "proof": PROOF.hex()}


@pytest.fixture
def texts() -> LiveTexts:
    return LiveTexts()


def endpoint(
    texts: LiveTexts,
    *,
    burst: int = 100,
    concurrency: ConcurrencyLimit | None = None,
    stop: threading.Event | None = None,
) -> StreamEndpoint:
    rate = RateLimit(per_second=1e-9, burst=burst, clock=lambda: 0.0)
    return StreamEndpoint(
        texts=texts,
        rate=rate,
        concurrency=concurrency or ConcurrencyLimit(8),
        stop=stop or threading.Event(),
    )


def suppressed(work: Callable[[], None]) -> None:
    with suppress(LinkClosed):
        work()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_serve__proof_is_right__sends_what_was_and_what_comes(texts: LiveTexts) -> None:
    text = texts.open(NUMBER, PROOF)
    text.append("Once ")
    text.append("upon ")
    stream = FakeStream()
    stream.ask(HELLO)
    thread = in_thread(lambda: endpoint(texts).serve(stream))
    assert stream.next_message() == {"text": "Once upon "}
    text.append("a time")
    assert stream.next_message() == {"text": "a time"}
    texts.close(NUMBER, text, Finished("stop"))
    assert stream.next_message() == {"done": True, "finishReason": "stop"}
    thread.join(5)
    assert not thread.is_alive()


def test_serve__two_listen__both_get_everything(texts: LiveTexts) -> None:
    text = texts.open(NUMBER, PROOF)
    streams = [FakeStream(), FakeStream()]
    served = endpoint(texts)
    for stream in streams:
        stream.ask(HELLO)
    threads = [in_thread(lambda one=one: served.serve(one)) for one in streams]  # type: ignore[misc]
    text.append("both")
    for stream in streams:
        assert stream.next_message() == {"text": "both"}
    texts.close(NUMBER, text, Finished("length"))
    for stream, thread in zip(streams, threads, strict=True):
        assert stream.next_message() == {"done": True, "finishReason": "length"}
        thread.join(5)


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        pytest.param({**HELLO, "proof": bytes(32).hex()}, "unknown", id="wrong proof"),
        pytest.param({**HELLO, "requestId": 4}, "unknown", id="another request"),
        pytest.param({**HELLO, "proof": PROOF.hex()[:-2]}, "malformed", id="short proof"),
        pytest.param({**HELLO, "proof": "zz"}, "malformed", id="proof is not hex"),
        pytest.param({**HELLO, "proof": 7}, "malformed", id="proof is no text"),
        pytest.param({**HELLO, "requestId": True}, "malformed", id="number is a truth value"),
        pytest.param({"proof": PROOF.hex()}, "malformed", id="no number"),
        pytest.param(b"[]", "malformed", id="no object"),
        pytest.param(b"{" * 500, "malformed", id="no JSON"),
        pytest.param(b"{}" + b" " * 2_000, "malformed", id="too long"),
    ],
)
def test_serve__hello_is_not_right__refuses_without_text(
    texts: LiveTexts, hello: object, code: str
) -> None:
    texts.open(NUMBER, PROOF).append("secret")
    stream = FakeStream()
    stream.ask(hello)
    endpoint(texts).serve(stream)
    assert stream.messages() == [{"error": code}]


def test_serve__proof_is_of_another_request__refuses(texts: LiveTexts) -> None:
    texts.open(RequestId(4), SECRET.stream_proof(context(), RequestId(4))).append("secret")
    stream = FakeStream()
    stream.ask({"requestId": 4, "proof": PROOF.hex()})
    endpoint(texts).serve(stream)
    assert stream.messages() == [{"error": "unknown"}]


def test_serve__request_does_not_run_here__refuses_alike(texts: LiveTexts) -> None:
    stream = FakeStream()
    stream.ask(HELLO)
    endpoint(texts).serve(stream)
    assert stream.messages() == [{"error": "unknown"}]


def test_serve__number_is_a_decimal_string__is_taken(texts: LiveTexts) -> None:
    texts.open(NUMBER, PROOF).end(Finished("stop"))
    stream = FakeStream()
    stream.ask({**HELLO, "requestId": "3"})
    endpoint(texts).serve(stream)
    assert stream.messages() == [{"done": True, "finishReason": "stop"}]


def test_serve__too_many_at_once__is_busy_until_one_leaves(texts: LiveTexts) -> None:
    text = texts.open(NUMBER, PROOF)
    served = endpoint(texts, concurrency=ConcurrencyLimit(1))
    first, second, third = FakeStream(), FakeStream(), FakeStream()
    first.ask(HELLO)
    thread = in_thread(lambda: served.serve(first))
    text.append("x")
    assert first.next_message() == {"text": "x"}
    second.ask(HELLO)
    served.serve(second)
    assert second.messages() == [{"error": "busy"}]
    texts.close(NUMBER, text, Finished("stop"))
    thread.join(5)
    third.ask(HELLO)
    served.serve(third)
    assert third.messages() == [{"error": "unknown"}]


def test_serve__too_many_per_second__is_busy(texts: LiveTexts) -> None:
    texts.open(NUMBER, PROOF).end(Finished("stop"))
    served = endpoint(texts, burst=1)
    codes = []
    for _ in range(2):
        stream = FakeStream()
        stream.ask(HELLO)
        served.serve(stream)
        codes += stream.messages()
    assert codes == [{"done": True, "finishReason": "stop"}, {"error": "busy"}]


@pytest.mark.parametrize("hello", [b"{}", {**HELLO, "proof": bytes(32).hex()}], ids=["junk", "lie"])
def test_m3__strangers_ask_without_a_proof__use_neither_places_nor_rate(
    texts: LiveTexts, hello: object
) -> None:
    texts.open(NUMBER, PROOF).end(Finished("stop"))
    served = endpoint(texts, burst=1, concurrency=ConcurrencyLimit(1))
    silent = FakeStream()
    waiting = in_thread(lambda: suppressed(lambda: served.serve(silent)))
    for _ in range(20):
        stranger = FakeStream()
        stranger.ask(hello)
        served.serve(stranger)
        assert stranger.messages()[0]["error"] in ("malformed", "unknown")
    owner = FakeStream()
    owner.ask(HELLO)
    served.serve(owner)
    assert owner.messages() == [{"done": True, "finishReason": "stop"}]
    silent.leave()
    waiting.join(5)


def test_m3__one_request_asks_for_many_streams__gets_two_and_leaves_the_rest(
    texts: LiveTexts,
) -> None:
    texts.open(NUMBER, PROOF)
    other = RequestId(4)
    texts.open(other, SECRET.stream_proof(context(), other)).end(Finished("stop"))
    stop = threading.Event()
    served = endpoint(texts, concurrency=ConcurrencyLimit(3), stop=stop)
    threads = []
    for _ in range(2):
        stream = FakeStream()
        stream.ask(HELLO)
        threads.append(in_thread(lambda one=stream: served.serve(one)))  # type: ignore[misc]
    until(lambda: served.listeners_of(NUMBER) == 2)
    third, others = FakeStream(), FakeStream()
    third.ask(HELLO)
    served.serve(third)
    assert third.messages() == [{"error": "busy"}]
    others.ask({"requestId": 4, "proof": SECRET.stream_proof(context(), other).hex()})
    served.serve(others)
    assert others.messages() == [{"done": True, "finishReason": "stop"}]
    stop.set()
    for thread in threads:
        thread.join(5)
    assert served.listeners_of(NUMBER) == 0


def test_serve__run_breaks_off__says_so_and_a_new_run_starts_a_new_text(texts: LiveTexts) -> None:
    first = texts.open(NUMBER, PROOF)
    first.append("old")
    stream = FakeStream()
    stream.ask(HELLO)
    thread = in_thread(lambda: endpoint(texts).serve(stream))
    assert stream.next_message() == {"text": "old"}
    second = texts.open(NUMBER, PROOF)
    assert stream.next_message() == {"error": "interrupted"}
    thread.join(5)
    second.append("new")
    # The first run's end must not take the second one away.
    texts.close(NUMBER, first, Interrupted())
    assert texts.find(NUMBER) is second


def test_serve__process_stops__ends_without_waiting_for_the_answer(texts: LiveTexts) -> None:
    texts.open(NUMBER, PROOF)
    stop = threading.Event()
    stream = FakeStream()
    stream.ask(HELLO)
    thread = in_thread(lambda: endpoint(texts, stop=stop).serve(stream))
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert stream.messages() == []


def test_serve__pieces_of_all_lengths__fill_buckets_and_share_intervals(texts: LiveTexts) -> None:
    """THREATS row 22."""
    text = texts.open(NUMBER, PROOF)
    stream = FakeStream()
    stream.ask(HELLO)
    thread = in_thread(lambda: endpoint(texts).serve(stream))
    text.append("first")
    assert stream.next_message() == {"text": "first"}
    for _ in range(40):
        text.append("word ")
    texts.close(NUMBER, text, Finished("stop"))
    thread.join(5)
    assert not thread.is_alive()
    pieces = [message["text"] for message in stream.messages() if "text" in message]
    assert "".join(pieces) == "word " * 40
    assert len(pieces) < 40
    assert {size % PADDING_BYTES for size in stream.sizes} == {0}


def test_repr__of_what_holds_text__shows_none(texts: LiveTexts) -> None:
    text = texts.open(NUMBER, PROOF)
    text.append("secret")
    assert "secret" not in repr(text) + repr(Piece("secret"))
