# SPDX-License-Identifier: Apache-2.0
"""`teetee-info/1`: asks an entry what its model's chat template adds to a prompt, so that enough
input tokens are paid for.

The entry's key is pinned and attested, so its word is that of the image. It learns the client's
address, and nothing about the prompt. A wrong number costs no money: what is not used of a deposit
is refunded, and an entry that declines refunds all of it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import Any

from teetee.chain.types.shards import Shard
from teetee.client import pinned_tls
from teetee.client.errors import EnclaveUnreachable, WrongPeerPurpose
from teetee.errors import FieldInvalid, MalformedFrame, TeeTeeError
from teetee.protocol.endpoint import INFO_ALPN, Endpoint
from teetee.protocol.json import frames as json_frames
from teetee.protocol.prompt import TemplateTokens

TIMEOUT_SECONDS = 5.0
READ_BYTES = 4096


def ask_template_tokens(
    entries: Sequence[Shard], on_warning: Callable[[str], None]
) -> TemplateTokens | None:
    """The first answer; None if no entry knows. Warns if none can be asked."""
    problems = []
    for shard in entries:
        try:
            return _ask(shard)
        except WrongPeerPurpose:
            continue  # an older image: it does not have this purpose
        except TeeTeeError as error:
            problems.append(str(error))
    if problems:
        on_warning(
            "No entry says how many tokens its chat template adds, so a usual number is paid for. "
            "If it is too low, the entry declines and the deposit is refunded; raise "
            f"--max-input-tokens then. {problems[0]}"
        )
    return None


def _ask(shard: Shard) -> TemplateTokens | None:
    """Raises `EnclaveUnreachable`, `PeerKeyMismatch`, `WrongPeerPurpose`, `MalformedEndpoint`,
    `MalformedFrame`.
    """
    endpoint = Endpoint.parse(shard.endpoint)
    connection = pinned_tls.connect(
        endpoint, purpose=INFO_ALPN, tls=shard.keyset.tls, timeout=TIMEOUT_SECONDS
    )
    with connection:
        reply = _exchange(connection, endpoint)
    if "templateTokens" not in reply:
        raise EnclaveUnreachable(str(endpoint), f"it answers {str(reply.get('error'))[:64]!r}")
    if reply["templateTokens"] is None:
        return None
    try:
        return TemplateTokens.from_json(reply["templateTokens"])
    except FieldInvalid as error:
        raise MalformedFrame(f"{error.field} {error.rule}") from None


def _exchange(connection: ssl.SSLSocket, endpoint: Endpoint) -> dict[str, Any]:
    decoder = json_frames.FrameDecoder()
    try:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.sendall(json_frames.encode({}))
        while data := connection.recv(READ_BYTES):
            for message in decoder.feed(data):
                return message
    except OSError as error:
        raise EnclaveUnreachable(str(endpoint), pinned_tls.reason_of(error)) from error
    raise EnclaveUnreachable(str(endpoint), "it closed the connection without a reply")
