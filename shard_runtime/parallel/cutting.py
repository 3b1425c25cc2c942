"""A rank's part of a layer: its heads, its inner rows of the MLP, its experts.

Matrices that come first are cut by rows, those that come second by columns, so the ranks' outputs
only have to be summed. Norms, router and what is added once (biases of second matrices) are whole:
on every rank, or on rank 0 alone.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch

from shard_runtime.errors import SplitInvalid
from shard_runtime.model.architecture import Architecture

Tensors = Mapping[str, torch.Tensor]


def check_ranks(architecture: Architecture, ranks: int) -> None:
    """Raises `SplitInvalid` where the parts would not be equal."""
    parts = {"key and value heads": architecture.kv_head_count}
    experts = architecture.experts
    if experts is not None:
        parts["experts"] = experts.count
    if experts is None or len(experts.layers) < architecture.layer_count:
        parts["inner rows of the MLP"] = architecture.intermediate_size
    for part, count in parts.items():
        if ranks < 1 or count % ranks:
            raise SplitInvalid(f"{count} {part} cannot be shared by {ranks} ranks evenly")


def rank_shape(architecture: Architecture, ranks: int) -> Architecture:
    """What one rank computes. Its digest means nothing: a rank is no model."""
    return replace(
        architecture,
        head_count=architecture.head_count // ranks,
        kv_head_count=architecture.kv_head_count // ranks,
        intermediate_size=architecture.intermediate_size // ranks,
    )


def cut_layer(
    architecture: Architecture, tensors: Tensors, rank: int, ranks: int
) -> dict[str, torch.Tensor]:
    """The rank's part of a layer's tensors, copied: nothing keeps the whole in memory."""
    heads, groups = architecture.head_count, architecture.kv_head_count
    size = architecture.head_size
    fused = [heads * size, groups * size, groups * size]
    rows = {"query_key_value": fused, "up": [architecture.intermediate_size]}
    rows["gate_up"] = [architecture.intermediate_size] * 2
    cut = {}
    for name, tensor in tensors.items():
        part, _, bias = name.partition(".")
        if part in rows:
            cut[name] = _rows(tensor, rows[part], rank, ranks)
        elif part in ("output", "down"):
            if not bias:
                cut[name] = tensor.chunk(ranks, dim=1)[rank].clone()
            elif rank == 0:
                cut[name] = tensor
        elif part in ("expert_gate_up", "expert_down"):
            cut[name] = tensor.chunk(ranks)[rank].clone()
        else:
            cut[name] = tensor
    return cut


def _rows(tensor: torch.Tensor, sizes: list[int], rank: int, ranks: int) -> torch.Tensor:
    """The rank's share of each of the parts that lie in one matrix, one after the other."""
    return torch.cat([each.chunk(ranks)[rank] for each in tensor.split_with_sizes(sizes)])
