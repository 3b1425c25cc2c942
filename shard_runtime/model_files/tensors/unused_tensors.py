# SPDX-License-Identifier: Apache-2.0
"""Refuses tensors that no slot takes, unless they are known to have no effect.

Such a tensor is part of a computation that this architecture does not have: biases, further layers,
the scales of quantized weights.
"""

import re
from collections.abc import Iterable

from shard_runtime.architecture import Architecture
from shard_runtime.errors import QuantizationUnsupported, TensorUnused
from shard_runtime.model_files.tensors.tensor_layout import stored_slots
from shard_runtime.model_files.tensors.tensor_names import TensorNames
from shard_runtime.model_files.tensors.tensor_store import StoredTensor, TensorStore

_ROTARY_TABLES = re.compile(r"(.+\.)?rotary_emb\.(inv_freq|cos_cached|sin_cached)")
"""Tables that old versions of transformers stored; they follow from the config."""
_CAUSAL_MASKS = re.compile(r"(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)")
"""GPT-2's masks, which are constants."""
_IMAGES = re.compile(r"(model\.)?(vision_tower|multi_modal_projector)\..+")
"""What a multimodal model has for images."""
_SCALES = re.compile(
    r".*(scale|scales|scale_inv|scale_2|qweight|qzeros|g_idx|zero_point|weight_packed|SCB|absmax"
    r"|quant_map|nested_quant_map|quant_state.*|biases)"
)
"""What quantization methods store beside or instead of weights."""


def refuse_unused_tensors(
    tensors: TensorStore, architecture: Architecture, names: TensorNames, *, has_images: bool
) -> None:
    """Raises `TensorUnused`, or `QuantizationUnsupported` if there are scales among them."""
    used = stored_slots(architecture, names, tensors).keys() | _tied_head(architecture, names)
    harmless = [_CAUSAL_MASKS if architecture.positions == "learned" else _ROTARY_TABLES]
    harmless += [_IMAGES] if has_images else []
    unused = [
        tensor
        for tensor in tensors
        if tensor.name not in used and 0 not in tensor.shape and not _matches(harmless, tensor)
    ]
    for tensor in unused:
        if _SCALES.fullmatch(tensor.name):
            raise QuantizationUnsupported(str(tensor.path), f"it has the tensor {tensor.name}")
    if unused:
        raise TensorUnused(str(unused[0].path), tuple(sorted(tensor.name for tensor in unused)))


def _tied_head(architecture: Architecture, names: TensorNames) -> set[str]:
    """A copy of the embedding, if there is one: a differing head is not tied."""
    return {names.head} if architecture.tied_embedding else set()


def _matches(patterns: Iterable[re.Pattern[str]], tensor: StoredTensor) -> bool:
    return any(pattern.fullmatch(tensor.name) for pattern in patterns)
