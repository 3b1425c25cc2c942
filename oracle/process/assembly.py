# SPDX-License-Identifier: Apache-2.0
"""Builds the services from an enclave and its settings: every part is constructed here, and here
only.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from oracle.chain.escrow import ChainEscrowReader, ChainEscrowWriter
from oracle.chain.peers import ChainPeers
from oracle.chain.request_guard import ChainRequestGuard
from oracle.endpoints.enrol import EnrolEndpoint
from oracle.endpoints.info import InfoEndpoint
from oracle.endpoints.rate_limits import ConcurrencyLimit, RateLimit
from oracle.endpoints.stream import StreamEndpoint
from oracle.errors import StartUpRefused
from oracle.inference.inference import EntryRuntime, Inference
from oracle.inference.live_text import LiveTexts
from oracle.inference.paths import RegistryPaths
from oracle.operations.gauges import Runtime, expose_links, expose_runtime
from oracle.operations.health import Check
from oracle.operations.measured import (
    MeasuredAnswerer,
    MeasuredRuntime,
    MeasuredWriter,
    RequestMeter,
    expose_requests,
)
from oracle.operations.operator_view import OperatorView
from oracle.operations.standing import path_check
from oracle.process.loops import Loop, Task, make_loops
from oracle.process.services import EntryService, ShardService, StageService
from oracle.process.settings import Settings
from oracle.process.startup import PreparedEnclave
from oracle.request.answer_pool import Answerer, AnswerPool
from oracle.request.answering import EnvelopeAnswerer
from oracle.request.decision import Timing
from oracle.request.dispatcher import Dispatcher
from oracle.request.endings import Endings
from oracle.request.intake import Intake
from oracle.request.journal import Journal
from oracle.request.watcher import Watcher
from shard_runtime import (
    Entry,
    EntrySettings,
    LinkIdentity,
    Listener,
    Stage,
    StageIdentity,
    StageSettings,
    TlsLinks,
    measure_template,
)
from teetee.protocol.identifiers import ShardId
from teetee.protocol.typed_data import escrow_domain

SERVICE = "service"
"""Key of what a service shows to operators, until it stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What the parts of one service share."""

    enclave: PreparedEnclave
    shard_id: ShardId
    listener: Listener
    peers: ChainPeers
    view: OperatorView
    log: FilteringBoundLogger
    stop: threading.Event = field(default_factory=threading.Event)
    abandon: threading.Event = field(default_factory=threading.Event)
    end: threading.Event = field(default_factory=threading.Event)

    @property
    def settings(self) -> Settings:
        return self.enclave.settings

    @property
    def timing(self) -> Timing:
        return Timing(
            decline_margin=self.settings.decline_margin_seconds,
            refund_grace=self.settings.refund_grace_seconds,
        )


def build_service(
    enclave: PreparedEnclave,
    shard_id: ShardId,
    *,
    listener: Listener,
    peers: ChainPeers,
    view: OperatorView,
    log: FilteringBoundLogger,
) -> ShardService:
    """The service of an entry or of a stage, by the settings; `start` it."""
    context = _Context(
        enclave=enclave,
        shard_id=shard_id,
        listener=listener,
        peers=peers,
        view=view,
        log=log.bind(shard_id=int(shard_id)),  # one log may collect several enclaves' lines
    )
    return _entry_service(context) if context.settings.is_entry else _stage_service(context)


def build_enrol_endpoint(enclave: PreparedEnclave, log: FilteringBoundLogger) -> EnrolEndpoint:
    """The endpoint `teetee-enrol/1`, which needs no enrolment."""

    def rate() -> RateLimit:
        per_minute = enclave.settings.enrolments_per_minute
        burst = max(1, int(per_minute))
        return RateLimit(per_second=per_minute / 60, burst=burst, clock=time.monotonic)

    return EnrolEndpoint(
        identity=enclave.identity,
        keys=enclave.keys,
        guest=enclave.guest,
        blocks=enclave.blocks,
        rate=rate(),
        host_rate=rate(),
        log=log,
    )


def link_identity(enclave: PreparedEnclave) -> LinkIdentity:
    """The TLS key and certificate of all purposes."""
    return LinkIdentity(enclave.keys.tls, enclave.keys.tls_certificate_der)


def _stage_service(context: _Context) -> StageService:
    enclave, settings, links = context.enclave, context.settings, _links(context)
    guard = ChainRequestGuard(
        reader=ChainEscrowReader(enclave.connection, enclave.deployment),
        heads=enclave.heads,
        clock=time.monotonic,
        log=context.log,
    )
    stage = Stage(
        shard=enclave.loaded,
        identity=_stage_identity(context),
        links=links,
        directory=context.peers,
        guard=guard,
        settings=StageSettings(
            cache_bytes=settings.cache_bytes, busy_wait_seconds=settings.busy_wait_seconds
        ),
    )
    _expose(context, stage, links)
    loop = Loop("guard", guard.poll, seconds=0.0, stop=context.stop, log=context.log)
    return StageService(context.shard_id, stage, guard=loop, stop=context.stop)


def _entry_service(context: _Context) -> EntryService:
    enclave, settings = context.enclave, context.settings
    links, texts = _links(context), LiveTexts()
    entry, meter = _entry(context, links), RequestMeter(context.view.metrics)
    paths = _paths(context, entry)
    journal = Journal(
        data_directory=settings.data_directory,
        chain_id=settings.chain_id,
        escrow=enclave.deployment.escrow,
        signer=str(enclave.keys.signer.address),
        log=context.log,
    )
    dispatcher = Dispatcher(
        shard_id=context.shard_id,
        timing=context.timing,
        places=settings.max_active_requests,
        stop=context.stop,
        clock=time.monotonic,
        log=context.log,
        observer=meter,
    )
    requests = expose_requests(context.view.metrics, dispatcher, journal)
    _expose(context, entry, links, path_check(paths), requests)
    answerer = _answerer(context, paths, MeasuredRuntime(entry, meter), texts)
    loops = _connect(context, dispatcher, journal, MeasuredAnswerer(answerer, meter), meter)
    return EntryService(
        context.shard_id,
        entry=entry,
        dispatcher=dispatcher,
        journal=journal,
        loops=loops,
        listener=context.listener,
        stream=_stream_endpoint(context, texts),
        info=_info_endpoint(context),
        stop=context.stop,
        abandon=context.abandon,
        end=context.end,
        log=context.log,
    )


def _connect(
    context: _Context,
    dispatcher: Dispatcher,
    journal: Journal,
    answerer: Answerer,
    meter: RequestMeter,
) -> list[Loop]:
    """Gives the dispatcher what does its work. Returns the loops of all of them."""
    enclave, settings = context.enclave, context.settings
    reader = ChainEscrowReader(enclave.connection, enclave.deployment)
    intake = Intake(
        reader=reader,
        heads=enclave.heads,
        journal=journal,
        answerer=answerer,
        done=dispatcher.on_received,
        log=context.log,
    )
    pool = AnswerPool(
        answerer=answerer,
        journal=journal,
        heads=enclave.heads,
        slots=settings.max_concurrent_requests,
        done=dispatcher.on_result,
    )
    endings = Endings(
        reader=reader,
        writer=MeasuredWriter(_escrow_writer(context), meter),
        heads=enclave.heads,
        done=dispatcher.on_posted,
        window=settings.batch_window_seconds,
        abandon=context.abandon,
        log=context.log,
    )
    dispatcher.connect(intake=intake, pool=pool, endings=endings)
    watcher = _watcher(context, reader, journal, dispatcher)
    return [
        *_polling_loops(context, watcher, journal),
        *_working_loops(context, dispatcher, intake, pool, endings),
    ]


def _entry(context: _Context, links: TlsLinks) -> Entry:
    tokenizer, settings = context.enclave.tokenizer, context.settings
    if tokenizer is None:
        raise StartUpRefused(
            what="an entry was started without a tokenizer",
            remedy="Restart the process with TEETEE_IS_ENTRY=true.",
        )
    return Entry(
        shard=context.enclave.loaded,
        tokenizer=tokenizer,
        identity=_stage_identity(context),
        links=links,
        directory=context.peers,
        settings=EntrySettings(
            cache_bytes=settings.cache_bytes, busy_wait_seconds=settings.busy_wait_seconds
        ),
    )


def _escrow_writer(context: _Context) -> ChainEscrowWriter:
    enclave = context.enclave
    return ChainEscrowWriter(
        enclave.connection, enclave.deployment, enclave.sender, abandon=context.abandon
    )


def _paths(context: _Context, entry: Entry) -> RegistryPaths:
    model = context.enclave.model
    return RegistryPaths(
        peers=context.peers,
        model_id=model.model_id,
        layer_count=model.layer_count,
        entry=context.shard_id,
        cost=entry.performance.cost,
        clock=time.monotonic,
    )


def _answerer(
    context: _Context, paths: RegistryPaths, runtime: EntryRuntime, texts: LiveTexts
) -> EnvelopeAnswerer:
    enclave = context.enclave
    return EnvelopeAnswerer(
        inference=Inference(entry=runtime, paths=paths, abandon=context.abandon, log=context.log),
        texts=texts,
        shard_id=context.shard_id,
        kem=enclave.keys.kem,
        signer=enclave.keys.signer,
    )


def _watcher(
    context: _Context, reader: ChainEscrowReader, journal: Journal, dispatcher: Dispatcher
) -> Watcher:
    return Watcher(
        blocks=context.enclave.blocks,
        reader=reader,
        heads=context.enclave.heads,
        journal=journal,
        shard_id=context.shard_id,
        confirmations=context.settings.confirmations,
        on_look=dispatcher.on_look,
    )


def _polling_loops(context: _Context, watcher: Watcher, journal: Journal) -> list[Loop]:
    settings = context.settings
    tasks: list[Task] = [
        ("watch", watcher.poll, settings.poll_seconds),
        ("prune", watcher.prune_finalised, settings.prune_seconds),
        ("journal", journal.flush, settings.poll_seconds),
    ]
    return make_loops(
        tasks,
        watched=context.view.tasks.watched,
        stop=context.abandon,
        log=context.log,
        decline_margin_seconds=settings.decline_margin_seconds,
    )


def _working_loops(
    context: _Context,
    dispatcher: Dispatcher,
    intake: Intake,
    pool: AnswerPool,
    endings: Endings,
) -> list[Loop]:
    """They wait for work by themselves, and go on until all work has been handed back."""
    tasks = {"dispatch": dispatcher.run_once, "receive": intake.run_once} | endings.tasks()
    tasks |= {f"answer-{number}": pool.run_once for number in range(pool.slots)}
    watched = context.view.tasks.watched
    return [
        Loop(task, watched(task, work), seconds=0.0, stop=context.end, log=context.log)
        for task, work in tasks.items()
    ]


def _expose(
    context: _Context,
    runtime: Runtime,
    links: TlsLinks,
    check: Check | None = None,
    *more: Callable[[], None],
) -> None:
    """What operators see of a service. `check`: why an entry is not ready; `more`: its sources."""
    metrics = context.view.metrics
    sources = [
        expose_runtime(metrics, runtime),
        expose_links(
            metrics, peers=context.peers, listener=context.listener, outgoing=links.report
        ),
        *more,
    ]

    def read() -> None:
        for source in sources:
            source()

    context.view.attach(SERVICE, source=read, check=check)


def _stream_endpoint(context: _Context, texts: LiveTexts) -> StreamEndpoint:
    settings = context.settings
    return StreamEndpoint(
        texts=texts,
        rate=RateLimit(
            per_second=settings.streams_per_second,
            burst=settings.max_streams,
            clock=time.monotonic,
        ),
        concurrency=ConcurrencyLimit(settings.max_streams),
        stop=context.abandon,
    )


def _info_endpoint(context: _Context) -> InfoEndpoint:
    tokenizer = context.enclave.tokenizer
    return InfoEndpoint(
        template=None if tokenizer is None else measure_template(tokenizer),
        sealing_key=context.enclave.keys.kem.public_key,
    )


def _stage_identity(context: _Context) -> StageIdentity:
    enclave = context.enclave
    return StageIdentity(
        shard_id=context.shard_id,
        model_id=enclave.identity.model_id,
        identity_digest=enclave.identity.identity_digest(),
        account=enclave.keys.signer,
        domain=escrow_domain(enclave.settings.chain_id, enclave.deployment.escrow),
    )


def _links(context: _Context) -> TlsLinks:
    return TlsLinks(
        identity=link_identity(context.enclave),
        directory=context.peers,
        listener=context.listener,
        # simulated machines are all this one
        is_directory_of_hosts=not context.settings.simulated,
    )
