# SPDX-License-Identifier: Apache-2.0
"""`teetee-info/1`: what a wallet should know before it pays (docs/protocol.md section 7). Entry
shards only.

Clients are not authenticated, and nothing about them is logged: the reply is public.
"""

from oracle.endpoints.messages import MessageStream, receive_json, send_json
from oracle.endpoints.rate_limits import RateLimit
from teetee.protocol.prompt import TemplateTokens
from teetee.protocol.sealing.key import SealingPublicKey

MAX_REQUEST_BYTES = 64
REQUEST_TIMEOUT_SECONDS = 3.0
TIMEOUT_SECONDS = 5.0


class InfoEndpoint:
    """Each call of `serve` answers one client."""

    def __init__(
        self, *, template: TemplateTokens | None, sealing_key: SealingPublicKey, rate: RateLimit
    ) -> None:
        """`template`: what the model's chat template adds; None if that is not known.
        `sealing_key`: the key that prompts are sealed to, whose hash the registry keeps.
        """
        self._reply = {
            "templateTokens": None if template is None else template.to_json(),
            "sealingKey": "0x" + sealing_key.data.hex(),
        }
        self._rate = rate

    def serve(self, stream: MessageStream) -> None:
        """One request, which is an empty object; one reply. Raises `LinkClosed`."""
        receive_json(stream, limit=MAX_REQUEST_BYTES, seconds=REQUEST_TIMEOUT_SECONDS)
        if not self._rate.try_acquire():
            send_json(stream, {"error": "busy"}, seconds=TIMEOUT_SECONDS)
            return
        send_json(stream, self._reply, seconds=TIMEOUT_SECONDS)
