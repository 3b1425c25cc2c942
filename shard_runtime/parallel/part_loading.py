"""One rank's part of a shard, out of the model's files.

Every rank reads, and hashes, all of each layer before it keeps its part: so the peak is the part
and one whole layer, and no rank computes with bytes that were not published.
"""

import torch

from shard_runtime.model.architecture import Architecture
from shard_runtime.model.decoder_layer import DecoderLayer
from shard_runtime.model.loading import PartLoader
from shard_runtime.parallel.cutting import cut_layer, rank_shape
from shard_runtime.parallel.group import RankGroup, Ranks
from teetee.protocol.layers import LayerRange


def load_modules(
    architecture: Architecture, layers: LayerRange, loader: PartLoader, group: Ranks
) -> tuple[DecoderLayer, ...]:
    """The rank's part of every layer of the shard. Raises as `load_shard` does."""
    shape = rank_shape(architecture, group.size)
    return tuple(
        _module(shape, architecture, layer, layer - layers.first, loader.layer(layer), group)
        for layer in layers.indices
    )


def _module(
    shape: Architecture,
    whole: Architecture,
    layer: int,
    index: int,
    tensors: dict[str, torch.Tensor],
    group: Ranks,
) -> DecoderLayer:
    experts = whole.experts.count // group.size if whole.experts is not None else 0
    return DecoderLayer(
        shape,
        layer,
        index,
        cut_layer(whole, tensors, group.rank, group.size),
        add_up=group.add_up,
        first_expert=group.rank * experts,
    )


def share_digest(group: RankGroup, digest: bytes) -> bytes:
    """Rank 0's digest of the layers, with which the others compare theirs."""
    return bytes(group.share_numbers(tuple(digest)))
