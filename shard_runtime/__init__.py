"""Splits a model, loads one shard of it, runs a path of shards. Knows nothing of a blockchain.

How an enclave's process uses it:

    source   = open_model("folder | file.gguf | hub id")                         # reads headers only
    shard    = load_shard(source, LayerRange(0, 11), is_entry=True,             # reads its own tensors only
                          manifest=ModelManifest | None,                        # compared with it: DigestMismatch
                          dtype="float32")                                      # or "bfloat16", "float16"
    shard.slice_digest                                                          # goes into EnclaveIdentity

    listener = Listener(identity=LinkIdentity(keys.tls, keys.tls_certificate_der), host="0.0.0.0", port=7700,
                        handlers={"teetee-enrol/1": handle, "teetee-stream/1": handle})
    listener.start()                                                            # PortUnavailable; .port tells the port
        # handle(stream: Stream) runs in a thread of its own, and the connection closes when it returns:
        # stream.receive(limit) -> bytes, one `u32 length ‖ body`; raises LinkClosed, FrameInvalid (too long)
        # stream.send(body)                           stream.close()            stream.set_timeout(seconds)
        # handlers can be added later: listener.handle(alpn, handler)

    links    = TlsLinks(identity=LinkIdentity(...), directory=PeerDirectory, listener=listener)
        # from here on "teetee-link/1" is served. Enrol first: nobody connects before the directory names us.
    identity = StageIdentity(shard_id, model_id, identity_digest, keys.signer, ReceiptDomain(chain_id, escrow))

    stage    = Stage(shard=shard, identity=identity, links=links, directory=directory)      # every shard but an entry
    stage.start()                                                               # own thread; stage.close() ends it

    entry    = Entry(shard=shard, tokenizer=load_tokenizer(source), identity=identity, links=links, directory=directory)
    entry.start()
    token_ids = entry.encode(messages)        # [{"role", "content"}…] by the chat template; ChatTemplateInvalid, TokenizerMissing
    entry.check(token_ids)                    # PromptEmpty, ContextOverflow(tokens, context_length), TokenUnknown; generate does it too
    generation = entry.generate(token_ids, sampling=Sampling, path=[ShardId…], request_id=RequestId,
                                salts=[bytes32 × (stages + 1)],                 # hop 0 … n, from RequestSecret
                                on_text=lambda piece: …, cancelled=lambda: bool)
        # Blocks; call it from as many threads as there are requests (TooManyRuns, CacheFull beyond the settings).
        # on_text runs in the calling thread, pieces joined are generation.text.
        # -> Generation(text, token_ids, finish_reason "stop" | "length", input_tokens, output_tokens, receipts)
        # receipts: tuple[SignedReceipt, …], one per stage, verified: signer and identity as the directory says,
        # linked, commitments of neighbours agree. `path[0]` is the entry itself.
        # Retryable: StageFailed, StageSilent, CacheFull, TooManyRuns, EntryClosed.
        # Fatal: PromptError…, PathInvalid, PeerUnknown, StageMisbehaved (names hop and shard), RunCancelled.

`Sampling` is anything with temperature, top_p, top_k, seed, stop, max_tokens (as `teetee` has it). Temperature 0 is
greedy; top_k 0 and top_p 1 mean off; seed None draws one. `PeerDirectory` has two methods, `find(shard_id) -> Peer`
(raises PeerUnknown) and `accepts(tls) -> bool`; `Peer(shard_id, host, port, tls, layers, signer, identity_digest)`.
`split_layers(source, stages)` proposes ranges of about equal bytes, `publish(source) -> ModelManifest` makes digests.

A run is one attempt at a request on one path. Text and token ids exist in the entry alone; hidden states, which count
as plaintext too, in the stages and inside TLS. None of them is ever logged, or part of an error or a repr.
"""
