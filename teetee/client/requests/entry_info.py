# SPDX-License-Identifier: Apache-2.0
"""`teetee-info/1`: asks an entry what its model's chat template adds to a prompt, so that enough
input tokens are paid for, and for the key that prompts are sealed to.

The entry's TLS key is pinned and attested, so its word is that of the image. It learns the client's
address, and nothing about the prompt. A wrong number costs no money: what is not used of a deposit
is refunded, and an entry that declines refunds all of it. A wrong key is refused: the registry
keeps the hash of the right one.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import Any

from teetee.chain.types.shards import Shard
from teetee.client import pinned_tls
from teetee.client.errors import EnclaveUnreachable, SealingKeyRefused, WrongPeerPurpose
from teetee.errors import FieldInvalid, KeyInvalid, MalformedFrame, TeeTeeError
from teetee.protocol.endpoint import INFO_ALPN, Endpoint
from teetee.protocol.identifiers import ShardId
from teetee.protocol.json import frames as json_frames
from teetee.protocol.prompt import TemplateTokens
from teetee.protocol.sealing.key import SealingPublicKey

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


class SealingKeys:
    """The keys that prompts are sealed to, each fetched once: a key never changes for its hash."""

    def __init__(self) -> None:
        self._known: dict[bytes, SealingPublicKey] = {}

    def of(self, shards: Sequence[Shard]) -> list[tuple[ShardId, SealingPublicKey]]:
        """The keys of entry shards, in their order. Raises what `fetch_sealing_key` raises."""
        for shard in shards:
            if shard.keyset.kem not in self._known:
                self._known[shard.keyset.kem] = fetch_sealing_key(shard)
        return [(shard.shard_id, self._known[shard.keyset.kem]) for shard in shards]


def fetch_sealing_key(shard: Shard) -> SealingPublicKey:
    """The key of one entry shard, from itself.

    Raises `EnclaveUnreachable` (retryable), `SealingKeyRefused`, `PeerKeyMismatch`,
    `WrongPeerPurpose`, `MalformedEndpoint`, `MalformedFrame`.
    """
    text = str(_fetch(shard, "sealingKey"))
    try:
        key = SealingPublicKey.from_bytes(bytes.fromhex(text.removeprefix("0x")))
    except (ValueError, KeyInvalid):
        raise SealingKeyRefused(shard.shard_id, shard.endpoint, "it shows no such key") from None
    if key.digest != shard.keyset.kem:
        rule = "its key is not the one that the registry names"
        raise SealingKeyRefused(shard.shard_id, shard.endpoint, rule)
    return key


def _fetch(shard: Shard, name: str) -> Any:
    """One field of the reply. Raises `EnclaveUnreachable`, `PeerKeyMismatch`, `WrongPeerPurpose`,
    `MalformedEndpoint`, `MalformedFrame`.
    """
    endpoint = Endpoint.parse(shard.endpoint)
    connection = pinned_tls.connect(
        endpoint, purpose=INFO_ALPN, tls=shard.keyset.tls, timeout=TIMEOUT_SECONDS
    )
    with connection:
        reply = _exchange(connection, endpoint)
    if name not in reply:
        raise EnclaveUnreachable(str(endpoint), f"it answers {str(reply.get('error'))[:64]!r}")
    return reply[name]


def _ask(shard: Shard) -> TemplateTokens | None:
    """Raises what `_fetch` raises."""
    found = _fetch(shard, "templateTokens")
    if found is None:
        return None
    try:
        return TemplateTokens.from_json(found)
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
