# SPDX-License-Identifier: Apache-2.0
"""`teetee-info/1`.

given an entry
    when a client connects
        it should say what the chat template adds, or null if there is none, and show the key that
        prompts are sealed to
    when the client says nothing, or something malformed
        it should get the same, and hold no place
    when strangers ask as often as they like
        every client should get the same
"""

import threading
import time
from typing import Any

import pytest

from oracle.endpoints.info import InfoEndpoint
from teetee.protocol.prompt import TemplateTokens
from teetee.protocol.sealing.key import SealingPrivateKey
from tests.oracle.fake_stream import FakeStream

KEY = SealingPrivateKey.from_seed(bytes(32)).public_key
TEMPLATE = TemplateTokens(alone=603, with_system=12, per_message=4)
REPLY = {
    "templateTokens": {"alone": 603, "withSystem": 12, "perMessage": 4},
    "sealingKey": "0x" + KEY.data.hex(),
}


def endpoint(template: TemplateTokens | None = TEMPLATE) -> InfoEndpoint:
    return InfoEndpoint(template=template, sealing_key=KEY)


def ask(served: InfoEndpoint, message: Any) -> Any:
    stream = FakeStream()
    stream.ask(message)
    served.serve(stream)
    return stream.next_message()


@pytest.mark.parametrize("message", [{}, {"prompt": "x" * 200}], ids=["empty", "too long"])
def test_serve__any_question__says_what_the_template_adds(message: Any) -> None:
    assert ask(endpoint(), message) == REPLY


def test_serve__no_template__says_null() -> None:
    assert ask(endpoint(None), {})["templateTokens"] is None


def test_a5__strangers_ask_often__every_wallet_gets_the_key() -> None:
    served = endpoint()
    assert all(ask(served, {}) == REPLY for _ in range(1000))


def test_a5__client_says_nothing__its_place_is_free_at_once() -> None:
    stream, started_at = FakeStream(), time.monotonic()
    serving = threading.Thread(target=endpoint().serve, args=(stream,))
    serving.start()
    serving.join(5.0)
    assert time.monotonic() - started_at < 0.9, "the silent client's timeout"
    assert stream.next_message() == REPLY
