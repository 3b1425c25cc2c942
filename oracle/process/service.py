# SPDX-License-Identifier: Apache-2.0
"""What runs once the registry knows this enclave as a shard: its stage, or the entry with all that
serves requests.

Two events end it. `stop`: take up nothing new and wait for nothing; what runs may finish.
`abandon`: let go at once.
"""

import threading
import time
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from oracle.chain.escrow import EscrowDoor, EscrowPen
from oracle.chain.peers import ChainPeers
from oracle.endpoints.rate_limits import CountLimit, RateLimit
from oracle.endpoints.stream import PURPOSE as STREAM
from oracle.endpoints.stream import StreamEndpoint
from oracle.errors import StartUpRefused
from oracle.inference.live_text import LiveTexts
from oracle.inference.paths import RegistryPaths
from oracle.process.logs import tame_libraries
from oracle.process.loops import Loop
from oracle.process.startup import Enclave
from oracle.request.answering import Answering
from oracle.request.decision import Timing
from oracle.request.in_flight import InFlight
from oracle.request.journal import Journal
from oracle.request.progress import Progress
from oracle.request.settling import Settler
from oracle.request.watcher import Watcher
from oracle.request.workflow import RequestWork
from shard_runtime import (
    Entry,
    EntrySettings,
    LinkIdentity,
    Listener,
    ModelTokenizer,
    Stage,
    StageIdentity,
    StageSettings,
    TlsLinks,
)
from teetee.protocol.identifiers import ShardId
from teetee.protocol.receipts import ReceiptDomain


class Service(Protocol):
    """Serves as one shard."""

    shard_id: ShardId

    def start(self) -> None:
        """Begins to serve."""

    def stop(self, grace: float) -> None:
        """Ends; what runs gets `grace` seconds, and the rest stays in the journal."""


class StageService:
    """A shard that is not an entry."""

    def __init__(
        self, enclave: Enclave, shard_id: ShardId, *, listener: Listener, peers: ChainPeers
    ) -> None:
        self.shard_id = shard_id
        self._stage = Stage(
            shard=enclave.loaded,
            identity=_stage_identity(enclave, shard_id),
            links=_links(enclave, listener, peers),
            directory=peers,
            settings=StageSettings(
                cache_bytes=enclave.settings.cache_bytes,
                busy_wait_seconds=enclave.settings.busy_wait_seconds,
            ),
        )

    def start(self) -> None:
        """Serves other enclaves' runs."""
        self._stage.start()

    def stop(self, grace: float) -> None:
        """Ends at once: an entry finds another path, or tries again."""
        self._stage.close()


class EntryService:
    """An entry shard: runtime, journal, watcher, settlements, streams."""

    def __init__(
        self,
        enclave: Enclave,
        shard_id: ShardId,
        *,
        listener: Listener,
        peers: ChainPeers,
        progress: Progress,
        log: FilteringBoundLogger,
    ) -> None:
        self.shard_id = shard_id
        self._enclave = enclave
        self._listener = listener
        self._peers = peers
        self._log = log
        self._progress = progress
        self._stop = threading.Event()
        self._abandon = threading.Event()
        self._in_flight = InFlight()
        self._texts = LiveTexts()
        settings = enclave.settings
        self._entry = Entry(
            shard=enclave.loaded,
            tokenizer=_tokenizer(enclave),
            identity=_stage_identity(enclave, shard_id),
            links=_links(enclave, listener, peers),
            directory=peers,
            settings=EntrySettings(
                cache_bytes=settings.cache_bytes,
                busy_wait_seconds=settings.busy_wait_seconds,
            ),
        )
        self._reader = EscrowDoor(enclave.connection, enclave.deployment)
        self._writer = EscrowPen(
            enclave.connection,
            enclave.deployment,
            enclave.keys.signer,
            give_up_after=settings.settle_timeout_seconds,
            poll_seconds=min(1.0, settings.poll_seconds),
            abandon=self._abandon,
        )
        self._settler = Settler(
            writer=self._writer,
            window=settings.batch_window_seconds,
            abandon=self._abandon,
            log=log,
        )
        self._timing = Timing(
            decline_margin=settings.decline_margin_seconds,
            refund_grace=settings.refund_grace_seconds,
        )
        self._journal = Journal(
            data_directory=settings.data_directory,
            chain_id=settings.chain_id,
            escrow=enclave.deployment.escrow,
            steps=self._work(),
        )
        self._loops = self._make_loops()

    def start(self) -> None:
        """Serves requests; first those which a former process left in the journal."""
        self._entry.start()
        self._listener.handle(STREAM, self._stream_endpoint().serve)
        self._journal.open()
        tame_libraries(self._log)
        for loop in self._loops:
            loop.start()

    def stop(self, grace: float) -> None:
        """Running requests get `grace` seconds; the others go on after the next start."""
        self._stop.set()
        self._enclave.heads.wake()
        if not self._in_flight.wait_until_none(grace):
            self._log.warning("running requests are left in the journal")
        self._abandon.set()
        self._enclave.heads.wake()
        self._in_flight.wait_until_none(5.0)
        self._journal.close()
        self._entry.close()
        for loop in self._loops:
            loop.join(5.0)

    def _work(self) -> RequestWork:
        enclave = self._enclave
        return RequestWork(
            reader=self._reader,
            writer=self._writer,
            settling=self._settler,
            maker=self._answering(),
            heads=enclave.heads,
            shard_id=self.shard_id,
            timing=self._timing,
            progress=self._progress,
            in_flight=self._in_flight,
            pause=enclave.settings.poll_seconds,
            stop=self._stop,
            log=self._log,
        )

    def _answering(self) -> Answering:
        enclave, settings = self._enclave, self._enclave.settings
        return Answering(
            entry=self._entry,
            paths=RegistryPaths(
                peers=self._peers,
                model_id=enclave.model.model_id,
                layer_count=enclave.model.layer_count,
                entry=self.shard_id,
                cost=self._entry.measurements.cost,
                clock=time.monotonic,
            ),
            texts=self._texts,
            shard_id=self.shard_id,
            kem=enclave.keys.kem,
            signer=enclave.keys.signer,
            at_once=settings.requests_at_once,
            stop=self._stop,
            abandon=self._abandon,
            log=self._log,
        )

    def _stream_endpoint(self) -> StreamEndpoint:
        settings = self._enclave.settings
        return StreamEndpoint(
            texts=self._texts,
            rate=RateLimit(
                per_second=settings.streams_per_second,
                burst=settings.streams_at_once,
                clock=time.monotonic,
            ),
            count=CountLimit(settings.streams_at_once),
            stop=self._abandon,
        )

    def _make_loops(self) -> list[Loop]:
        settings = self._enclave.settings
        watcher = Watcher(
            blocks=self._enclave.blocks,
            reader=self._reader,
            heads=self._enclave.heads,
            journal=self._journal,
            shard_id=self.shard_id,
            confirmations=settings.confirmations,
            most=settings.requests_held,
            timing=self._timing,
            log=self._log,
        )
        stop, log = self._stop, self._log
        return [
            Loop("watch", watcher.look, seconds=settings.poll_seconds, stop=stop, log=log),
            Loop("books", watcher.close_books, seconds=settings.books_seconds, stop=stop, log=log),
            Loop("settle", self._settler.run_once, seconds=0.0, stop=self._abandon, log=log),
        ]


def _stage_identity(enclave: Enclave, shard_id: ShardId) -> StageIdentity:
    return StageIdentity(
        shard_id=shard_id,
        model_id=enclave.identity.model_id,
        identity_digest=enclave.identity.identity_digest(),
        account=enclave.keys.signer,
        domain=ReceiptDomain(enclave.settings.chain_id, enclave.deployment.escrow),
    )


def _tokenizer(enclave: Enclave) -> ModelTokenizer:
    if enclave.tokenizer is None:
        raise StartUpRefused(
            what="an entry was started without a tokenizer",
            remedy="Restart the process with TEETEE_IS_ENTRY=true.",
        )
    return enclave.tokenizer


def _links(enclave: Enclave, listener: Listener, peers: ChainPeers) -> TlsLinks:
    return TlsLinks(identity=link_identity(enclave), directory=peers, listener=listener)


def link_identity(enclave: Enclave) -> LinkIdentity:
    """The TLS key and certificate of all purposes."""
    return LinkIdentity(enclave.keys.tls, enclave.keys.tls_certificate_der)
