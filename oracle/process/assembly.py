# SPDX-License-Identifier: Apache-2.0
"""Builds the services from an enclave and its settings: every part is constructed here, and here
only.
"""

import threading
import time
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
from oracle.inference.admission import Admission
from oracle.inference.inference import Inference
from oracle.inference.live_text import LiveTexts
from oracle.inference.paths import RegistryPaths
from oracle.process.loops import Loop
from oracle.process.services import EntryService, ShardService, StageService
from oracle.process.settings import Settings
from oracle.process.startup import PreparedEnclave
from oracle.request.answering import EnvelopeAnswerer
from oracle.request.decision import Timing
from oracle.request.journal import Journal
from oracle.request.settling import Settler
from oracle.request.watcher import Watcher
from oracle.request.workflow import Answerer, RequestWorkflow
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What the parts of one service share."""

    enclave: PreparedEnclave
    shard_id: ShardId
    listener: Listener
    peers: ChainPeers
    log: FilteringBoundLogger
    stop: threading.Event = field(default_factory=threading.Event)
    abandon: threading.Event = field(default_factory=threading.Event)

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
    log: FilteringBoundLogger,
) -> ShardService:
    """The service of an entry or of a stage, by the settings; `start` it."""
    context = _Context(enclave=enclave, shard_id=shard_id, listener=listener, peers=peers, log=log)
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
    enclave, settings = context.enclave, context.settings
    guard = ChainRequestGuard(
        reader=ChainEscrowReader(enclave.connection, enclave.deployment),
        heads=enclave.heads,
        clock=time.monotonic,
        log=context.log,
    )
    stage = Stage(
        shard=enclave.loaded,
        identity=_stage_identity(context),
        links=_links(context),
        directory=context.peers,
        guard=guard,
        settings=StageSettings(
            cache_bytes=settings.cache_bytes, busy_wait_seconds=settings.busy_wait_seconds
        ),
    )
    loop = Loop("guard", guard.poll, seconds=0.0, stop=context.stop, log=context.log)
    return StageService(context.shard_id, stage, guard=loop, stop=context.stop)


def _entry_service(context: _Context) -> EntryService:
    enclave, settings = context.enclave, context.settings
    entry, texts = _entry(context), LiveTexts()
    reader = ChainEscrowReader(enclave.connection, enclave.deployment)
    writer = _escrow_writer(context)
    settler = Settler(
        writer=writer,
        window=settings.batch_window_seconds,
        abandon=context.abandon,
        log=context.log,
    )
    workflow = _workflow(context, reader, writer, settler, _answerer(context, entry, texts))
    journal = Journal(
        data_directory=settings.data_directory,
        chain_id=settings.chain_id,
        escrow=enclave.deployment.escrow,
        steps=workflow,
    )
    return EntryService(
        context.shard_id,
        entry=entry,
        workflow=workflow,
        journal=journal,
        loops=_loops(context, _watcher(context, reader, journal), settler),
        listener=context.listener,
        stream=_stream_endpoint(context, texts),
        info=_info_endpoint(context),
        heads=enclave.heads,
        stop=context.stop,
        abandon=context.abandon,
        log=context.log,
    )


def _entry(context: _Context) -> Entry:
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
        links=_links(context),
        directory=context.peers,
        settings=EntrySettings(
            cache_bytes=settings.cache_bytes, busy_wait_seconds=settings.busy_wait_seconds
        ),
    )


def _escrow_writer(context: _Context) -> ChainEscrowWriter:
    enclave, settings = context.enclave, context.settings
    return ChainEscrowWriter(
        enclave.connection,
        enclave.deployment,
        enclave.keys.signer,
        confirm_seconds=settings.settle_timeout_seconds,
        poll_seconds=min(1.0, settings.poll_seconds),
        abandon=context.abandon,
    )


def _answerer(context: _Context, entry: Entry, texts: LiveTexts) -> EnvelopeAnswerer:
    enclave = context.enclave
    paths = RegistryPaths(
        peers=context.peers,
        model_id=enclave.model.model_id,
        layer_count=enclave.model.layer_count,
        entry=context.shard_id,
        cost=entry.performance.cost,
        clock=time.monotonic,
    )
    return EnvelopeAnswerer(
        inference=Inference(entry=entry, paths=paths, abandon=context.abandon, log=context.log),
        admission=Admission(
            max_concurrent_jobs=context.settings.max_concurrent_requests, stop=context.stop
        ),
        texts=texts,
        shard_id=context.shard_id,
        kem=enclave.keys.kem,
        signer=enclave.keys.signer,
    )


def _workflow(
    context: _Context,
    reader: ChainEscrowReader,
    writer: ChainEscrowWriter,
    settler: Settler,
    answerer: Answerer,
) -> RequestWorkflow:
    return RequestWorkflow(
        reader=reader,
        writer=writer,
        settling=settler,
        answerer=answerer,
        heads=context.enclave.heads,
        shard_id=context.shard_id,
        timing=context.timing,
        poll_seconds=context.settings.poll_seconds,
        stop=context.stop,
        log=context.log,
    )


def _watcher(context: _Context, reader: ChainEscrowReader, journal: Journal) -> Watcher:
    return Watcher(
        blocks=context.enclave.blocks,
        reader=reader,
        heads=context.enclave.heads,
        journal=journal,
        shard_id=context.shard_id,
        confirmations=context.settings.confirmations,
        max_active_requests=context.settings.max_active_requests,
        timing=context.timing,
        log=context.log,
    )


def _loops(context: _Context, watcher: Watcher, settler: Settler) -> list[Loop]:
    settings, stop, log = context.settings, context.stop, context.log
    return [
        Loop("watch", watcher.poll, seconds=settings.poll_seconds, stop=stop, log=log),
        Loop("prune", watcher.prune_finalised, seconds=settings.prune_seconds, stop=stop, log=log),
        Loop("settle", settler.run_once, seconds=0.0, stop=context.abandon, log=log),
    ]


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
    settings, tokenizer = context.settings, context.enclave.tokenizer
    return InfoEndpoint(
        template=None if tokenizer is None else measure_template(tokenizer),
        rate=RateLimit(
            per_second=settings.streams_per_second,
            burst=settings.max_streams,
            clock=time.monotonic,
        ),
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
    )
