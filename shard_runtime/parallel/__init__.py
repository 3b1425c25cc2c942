"""One shard held by several processes of one enclave (ranks), for a shard that is too large for one
of its processors.

Attention heads, the MLP's inner rows and experts are split over the ranks; what they compute is
summed after attention and after the MLP. Rank 0 leads: it holds embedding and head, talks to the
links, and looks to the rest of the runtime like any other shard. The others follow its orders.

    shard = load_parallel_shard(source, LayerRange(0, 11), is_entry=True, ranks=2)
    …                                                      # as with `load_shard`
    shard.close()                                          # ends the followers

Ranks talk over torch.distributed (gloo) on the loopback device: hidden states do not leave the
enclave, and nothing there is encrypted. If one rank fails, the whole shard has to be started anew.
"""
