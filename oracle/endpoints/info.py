# SPDX-License-Identifier: Apache-2.0
"""`teetee-info/1`: what a wallet should know before it pays (docs/protocol.md section 7). Entry
shards only.

Clients are not authenticated, and nothing about them is logged: the reply is public and always the
same. So it is sent at once, whatever the client asks, and the connection closes: a client holds its
place no longer than the reply takes, and none uses up what another one needs.
"""

from oracle.endpoints.messages import MessageStream, send_json
from teetee.protocol.prompt import TemplateTokens
from teetee.protocol.sealing.key import SealingPublicKey

TIMEOUT_SECONDS = 1.0


class InfoEndpoint:
    """Each call of `serve` answers one client."""

    def __init__(self, *, template: TemplateTokens | None, sealing_key: SealingPublicKey) -> None:
        """`template`: what the model's chat template adds; None if that is not known.
        `sealing_key`: the key that prompts are sealed to, whose hash the registry keeps.
        """
        self._reply = {
            "templateTokens": None if template is None else template.to_json(),
            "sealingKey": "0x" + sealing_key.data.hex(),
        }

    def serve(self, stream: MessageStream) -> None:
        """Send the reply. Raises `LinkClosed`."""
        send_json(stream, self._reply, seconds=TIMEOUT_SECONDS)
