# SPDX-License-Identifier: Apache-2.0
"""`teetee-info/1`: asks entries what their model's chat template adds to a prompt, so that enough
input tokens are paid for, and for the keys that prompts are sealed to.

An entry's TLS key is pinned and attested, so its word is that of the image. Its host learns the
client's address, and nothing about the prompt. A wrong number costs no money: what is not used of a
deposit is refunded, and an entry that declines refunds all of it. A wrong key is refused: the
registry keeps the hash of the right one.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
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
"""For each step of a connection."""
MAX_SECONDS = 8.0
"""For all of them, of all entries that are asked at the same time."""
READ_BYTES = 4096

Reply = dict[str, Any]
Notify = Callable[[str], None]


def ask_template_tokens(entries: Sequence[Shard], on_warning: Notify) -> TemplateTokens | None:
    """The first answer; None if no entry knows. Warns if none can be asked."""
    return _template_of(entries, _ask_all(entries), on_warning)


class SealingKeys:
    """The replies of entries, each fetched once: neither key nor template changes while an entry's
    `kem`, the hash of its key, stays.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[SealingPublicKey, Reply]] = {}

    def of(self, shards: Sequence[Shard]) -> list[tuple[ShardId, SealingPublicKey]]:
        """The keys of entry shards, in their order. Raises what `fetch_sealing_key` raises."""
        for error in self._learn(shards):
            if error is not None:
                raise error
        return [(shard.shard_id, self._known[shard.keyset.kem][0]) for shard in shards]

    def template_of(self, shards: Sequence[Shard], on_warning: Notify) -> TemplateTokens | None:
        """What the chat template adds, as the first of these entries says; their keys are known."""
        replies = [self._known[shard.keyset.kem][1] for shard in shards]
        return _template_of(shards, replies, on_warning)

    def choose_reachable(
        self, ranked: Sequence[Shard], count: int, on_warning: Notify, *, are_named: bool
    ) -> tuple[Shard, ...]:
        """The first `count` entries whose keys are known or come; fewer if no others answer.

        Each round asks more entries at once, so that many that are off delay little. Warns of each
        entry that is left out; `are_named`: the user named the shards. If none answers, raises what
        `fetch_sealing_key` raises for the first one.
        """
        found: list[Shard] = []
        problems: list[TeeTeeError] = []
        asked, wanted = 0, count
        while len(found) < count and asked < len(ranked):
            round_of = ranked[asked : asked + wanted]
            for shard, error in zip(round_of, self._learn(round_of), strict=True):
                if error is None:
                    found.append(shard)
                    continue
                problems.append(error)
                name = f"Shard {shard.shard_id}" + (", which you named," if are_named else "")
                on_warning(f"{name} is no recipient of the prompt. {error}")
            asked, wanted = asked + wanted, 2 * wanted
        if not found:
            raise problems[0]
        if len(found) < count:
            on_warning(
                f"No other entry answers: {len(found)} of {count} recipients get the prompt."
            )
        return tuple(found[:count])

    def _learn(self, shards: Sequence[Shard]) -> list[TeeTeeError | None]:
        """Ask the entries whose keys are unknown, all at once; the error of each, if any."""
        unknown = [shard for shard in shards if shard.keyset.kem not in self._known]
        errors: dict[ShardId, TeeTeeError] = {}
        for shard, reply in zip(unknown, _ask_all(unknown), strict=True):
            try:
                self._known[shard.keyset.kem] = (_key_in(_require(reply), shard), _require(reply))
            except TeeTeeError as error:
                errors[shard.shard_id] = error
        return [errors.get(shard.shard_id) for shard in shards]


def fetch_sealing_key(shard: Shard) -> SealingPublicKey:
    """The key of one entry shard, from itself.

    Raises `EnclaveUnreachable` (retryable), `SealingKeyRefused`, `PeerKeyMismatch`,
    `WrongPeerPurpose`, `MalformedEndpoint`, `MalformedFrame`.
    """
    return _key_in(_fetch(shard), shard)


def _key_in(reply: Reply, shard: Shard) -> SealingPublicKey:
    """Raises `EnclaveUnreachable`, `SealingKeyRefused`."""
    text = str(_field(reply, "sealingKey", shard))
    try:
        key = SealingPublicKey.from_bytes(bytes.fromhex(text.removeprefix("0x")))
    except (ValueError, KeyInvalid):
        raise SealingKeyRefused(shard.shard_id, shard.endpoint, "it shows no such key") from None
    if key.digest != shard.keyset.kem:
        rule = "its key is not the one that the registry names"
        raise SealingKeyRefused(shard.shard_id, shard.endpoint, rule)
    return key


def _template_of(
    entries: Sequence[Shard], replies: Sequence[Reply | TeeTeeError], on_warning: Notify
) -> TemplateTokens | None:
    problems = []
    for shard, reply in zip(entries, replies, strict=True):
        try:
            return _template_in(_require(reply), shard)
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


def _template_in(reply: Reply, shard: Shard) -> TemplateTokens | None:
    """Raises `EnclaveUnreachable`, `MalformedFrame`."""
    found = _field(reply, "templateTokens", shard)
    if found is None:
        return None
    try:
        return TemplateTokens.from_json(found)
    except FieldInvalid as error:
        raise MalformedFrame(f"{error.field} {error.rule}") from None


def _field(reply: Reply, name: str, shard: Shard) -> Any:
    if name not in reply:
        raise EnclaveUnreachable(shard.endpoint, f"it answers {str(reply.get('error'))[:64]!r}")
    return reply[name]


def _require(reply: Reply | TeeTeeError) -> Reply:
    if isinstance(reply, TeeTeeError):
        raise reply
    return reply


def _ask_all(shards: Sequence[Shard]) -> list[Reply | TeeTeeError]:
    """Each entry's reply, or why there is none, within `MAX_SECONDS`: an entry's host could let
    single bytes through, and each of them would start another timeout.
    """
    arrived: queue.SimpleQueue[tuple[int, Reply | TeeTeeError]] = queue.SimpleQueue()

    def ask(number: int) -> None:
        try:
            arrived.put((number, _fetch(shards[number])))
        except TeeTeeError as error:
            arrived.put((number, error))

    for number in range(len(shards)):
        threading.Thread(target=ask, args=(number,), name="entry-info", daemon=True).start()
    deadline, replies = time.monotonic() + MAX_SECONDS, dict[int, Reply | TeeTeeError]()
    while len(replies) < len(shards):
        try:
            number, reply = arrived.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        replies[number] = reply
    late = [EnclaveUnreachable(shard.endpoint, "it did not answer in time") for shard in shards]
    return [replies.get(number, error) for number, error in enumerate(late)]


def _fetch(shard: Shard) -> Reply:
    """The whole reply. Raises `EnclaveUnreachable`, `PeerKeyMismatch`, `WrongPeerPurpose`,
    `MalformedEndpoint`, `MalformedFrame`.
    """
    endpoint = Endpoint.parse(shard.endpoint)
    connection = pinned_tls.connect(
        endpoint, purpose=INFO_ALPN, tls=shard.keyset.tls, timeout=TIMEOUT_SECONDS
    )
    with connection:
        return _exchange(connection, endpoint)


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
