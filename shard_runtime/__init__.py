# SPDX-License-Identifier: Apache-2.0
"""Splits a model, loads one shard of it, runs requests over a path of shards. Knows no blockchain.

How the process inside an enclave uses it:

    source = open_model("folder | file.gguf | hub id")     # reads headers only
    shard = load_shard(
        source, LayerRange(0, 11), is_entry=True,          # reads its own tensors only
        manifest=ModelManifest or None,    # checked against it: DigestMismatch, TokenIdsDiffer
        dtype="float32",                                   # or "bfloat16", "float16"
    )
    shard.slice_digest                                     # goes into EnclaveIdentity

    link_identity = LinkIdentity(keys.tls, keys.tls_certificate_der)
    listener = Listener(
        identity=link_identity, host="0.0.0.0", port=7700, # port 0: any; see listener.port
        handlers={ENROL_ALPN: handle},                    # teetee.protocol.endpoint
    )
    listener.start()                                       # PortUnavailable
    listener.handle(alpn, handle)                          # more, as STREAM_ALPN, at any time

`handle(stream)` runs in its own thread; the connection closes when it returns. `stream` has
`receive(limit) -> bytes` (one `u32 length ‖ body`; LinkClosed at the end or on timeout,
FrameInvalid beyond the limit), `send(body)`, `set_timeout(seconds)`, `close()`.

    links = TlsLinks(identity=link_identity, directory=directory, listener=listener)
    identity = StageIdentity(
        shard_id, model_id, identity_digest, keys.signer, escrow_domain(chain_id, escrow)
    )

    stage = Stage(
        shard=shard, identity=identity, links=links, directory=directory,
        guard=guard,                                       # RequestGuard: what it may compute
    )
    stage.start()                                          # serves LINK_ALPN from now on
    stage.close()                                          # ends its thread, its runs, the links

    entry = Entry(
        shard=shard, tokenizer=load_tokenizer(source), identity=identity,
        links=links, directory=directory,
    )
    entry.start()
    token_ids = entry.encode([{"role": "user", "content": "…"}])
    generation = entry.generate(GenerationJob(
        token_ids=token_ids, sampling=Sampling(max_tokens=64), request_id=RequestId(7),
        choose_path=lambda avoiding: [ShardId(1), ShardId(2)],  # its own shard first
        salt_of=lambda hop: …,                             # 32 bytes for each hop
        on_text=lambda piece: …, on_failure=lambda error: …, is_cancelled=lambda: False,
        deadline=time.monotonic() + 60,
    ))

* `entry.encode` raises ChatTemplateInvalid, TokenizerMissing. `entry.check(token_ids)`, which
  `generate` calls too, raises PromptEmpty, ContextOverflow(tokens, context_length), TokenUnknown.
* `generate` blocks; call it from one thread per request. Their rows are computed together, and each
  request gets the same text as if it were alone. `on_text` runs in the calling thread; the pieces
  joined are `generation.text`. `is_cancelled` is called ten times a second. There are fewer tokens
  than `max_tokens` if the context ends first (`finish_reason` "length").
* When a path breaks, `on_failure` gets the error, `choose_path` is called for another path without
  the shards that failed, and the answer continues. `choose_path` raises a Retryable if it has none:
  then the request waits until its deadline or, without one, ends with the error of the path that
  broke.
* It returns `Generation(text, token_ids, finish_reason, input_tokens, output_tokens, receipts,
  changes, earlier_shards)`. The receipts are verified: signer and identity as the directory says,
  linked, equal commitments of neighbours, the last one equal to what returned here. A path's first
  shard is the entry itself.
* Path failures: StageFailed, StageSilent, LinkCongested (Retryable), PeerUnknown, StageMisbehaved
  (Fatal; names hop and shard). Other Retryable: CacheFull, DeadlinePassed, EntryClosed. Other
  Fatal: PromptError and its subclasses, PathInvalid, RunCancelled.
* `entry.performance.cost(shard_id)` estimates the seconds for one more token over a shard, from its
  answers to heartbeats, for choosing paths.
* For operators, and free of any metrics library: `entry.report()` and `stage.report()` (an
  `EngineReport`), `links.report()` (a `LinkReport` for each peer), `listener.connections()` and
  `listener.is_accepting`.
* A `PeerDirectory` has `find(shard_id) -> Peer` (raises PeerUnknown) and `accepts(tls) -> bool`,
  and is called from several threads. `seed=None` draws a seed: pass the one derived from the
  request.
* `split_layers(source.architecture, stages)` proposes ranges that take about equally long;
  `build_manifest(source)` makes the `ModelManifest`. `measure_template(tokenizer)` says how many
  tokens the chat template adds.

A run is one attempt at a request on one path. Text and token ids exist in the entry alone; hidden
states, which count as plaintext too, in the stages and inside TLS. None of them is ever logged, or
part of an error or a repr.
"""

from shard_runtime.backends.loading import Backend, load_shard
from shard_runtime.backends.shard import Shard
from shard_runtime.engine.entry.engine import EntrySettings
from shard_runtime.engine.entry.entry import Entry
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.engine.entry.job import GenerationJob
from shard_runtime.engine.entry.request import Generation, PathChange
from shard_runtime.engine.loop import EngineReport
from shard_runtime.engine.stage.request_guard import OnVerdict, RequestGuard, RunTerms
from shard_runtime.engine.stage.stage import Stage, StageSettings
from shard_runtime.links.identity import LinkIdentity, StageIdentity
from shard_runtime.links.limits import LinkLimits
from shard_runtime.links.listener import Listener
from shard_runtime.links.outgoing_link import LinkReport
from shard_runtime.links.peers import FixedDirectory, Peer, PeerDirectory
from shard_runtime.links.stream import Stream
from shard_runtime.links.tls_links import TlsLinks
from shard_runtime.model_files.digests import build_manifest
from shard_runtime.model_files.source import ModelSource, load_tokenizer, open_model
from shard_runtime.model_files.split import split_layers
from shard_runtime.model_files.tokenizer.template_tokens import measure_template
from shard_runtime.model_files.tokenizer.token_ids import check_token_ids
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer

__all__ = [
    "Backend",
    "EngineReport",
    "Entry",
    "EntrySettings",
    "FixedDirectory",
    "Generation",
    "GenerationJob",
    "HeartbeatSettings",
    "LinkIdentity",
    "LinkLimits",
    "LinkReport",
    "Listener",
    "ModelSource",
    "ModelTokenizer",
    "OnVerdict",
    "PathChange",
    "Peer",
    "PeerDirectory",
    "RequestGuard",
    "RunTerms",
    "Shard",
    "Stage",
    "StageIdentity",
    "StageSettings",
    "Stream",
    "TlsLinks",
    "build_manifest",
    "check_token_ids",
    "load_shard",
    "load_tokenizer",
    "measure_template",
    "open_model",
    "split_layers",
]
