# SPDX-License-Identifier: Apache-2.0
"""`teetee-info/1`.

given an entry
    when a client asks
        it should say what the chat template adds, or null if there is none, and show the key that
        prompts are sealed to
    when it is asked too often, or something malformed
        it should say that it is busy, or answer all the same
"""

from typing import Any

import pytest

from oracle.endpoints.info import InfoEndpoint
from oracle.endpoints.rate_limits import RateLimit
from teetee.protocol.prompt import TemplateTokens
from teetee.protocol.sealing.key import SealingPrivateKey
from tests.oracle.fake_stream import FakeStream

KEY = SealingPrivateKey.from_seed(bytes(32)).public_key
TEMPLATE = TemplateTokens(alone=603, with_system=12, per_message=4)


def endpoint(template: TemplateTokens | None = TEMPLATE, burst: int = 9) -> InfoEndpoint:
    rate = RateLimit(per_second=0.001, burst=burst, clock=lambda: 0.0)
    return InfoEndpoint(template=template, sealing_key=KEY, rate=rate)


def ask(served: InfoEndpoint, message: Any) -> Any:
    stream = FakeStream()
    stream.ask(message)
    served.serve(stream)
    return stream.next_message()


@pytest.mark.parametrize("message", [{}, {"prompt": "x" * 200}], ids=["empty", "too long"])
def test_serve__any_question__says_what_the_template_adds(message: Any) -> None:
    assert ask(endpoint(), message) == {
        "templateTokens": {"alone": 603, "withSystem": 12, "perMessage": 4},
        "sealingKey": "0x" + KEY.data.hex(),
    }


def test_serve__no_template__says_null() -> None:
    assert ask(endpoint(None), {})["templateTokens"] is None


def test_serve__too_often__is_busy() -> None:
    served = endpoint(burst=1)
    ask(served, {})
    assert ask(served, {}) == {"error": "busy"}
