"""Where to cut a model."""

from itertools import pairwise

from shard_runtime.errors import SplitInvalid
from shard_runtime.model.architecture import Architecture
from teetee.layers import LayerRange


def split_layers(architecture: Architecture, stages: int) -> tuple[LayerRange, ...]:
    """Ranges whose largest share of the weights is as small as can be; the first is the entry's,
    with what it adds.

    Bytes stand for memory and, in decoding, for time. Raises `SplitInvalid` for more stages than
    layers.
    """
    layers = architecture.layer_count
    if not 1 <= stages <= layers:
        raise SplitInvalid(f"{layers} layers make 1 to {layers} stages, not {stages}")
    if stages == 1:
        return (LayerRange(0, layers),)
    extra = _entry_numbers(architecture) / _layer_numbers(architecture)

    def largest(entry_layers: int) -> float:
        others = -(-(layers - entry_layers) // (stages - 1))
        return max(entry_layers + extra, others)

    entry_layers = min(range(1, layers - stages + 2), key=largest)
    bounds = [0] + [
        entry_layers + (layers - entry_layers) * stage // (stages - 1) for stage in range(stages)
    ]
    return tuple(LayerRange(*pair) for pair in pairwise(bounds))


def _layer_numbers(architecture: Architecture) -> int:
    heads = 2 * architecture.head_count + 2 * architecture.kv_head_count
    attention = heads * architecture.head_size * architecture.hidden_size
    return attention + 3 * architecture.hidden_size * architecture.intermediate_size


def _entry_numbers(architecture: Architecture) -> int:
    tables = 1 if architecture.tied_embedding else 2
    return tables * architecture.vocabulary_size * architecture.hidden_size
