# SPDX-License-Identifier: Apache-2.0
"""Finds the stored tensor of a slot and checks that the slot can hold it."""

from shard_runtime.errors import TensorInvalid
from shard_runtime.model_files.tensors.dequantization import Dequantizer, dequantizer_for
from shard_runtime.model_files.tensors.tensor_layout import Slot
from shard_runtime.model_files.tensors.tensor_store import StoredTensor, TensorStore


def find_slot_tensor(tensors: TensorStore, slot: Slot) -> tuple[StoredTensor, Dequantizer]:
    """The tensor, and the function that converts its rows.

    Raises `TensorMissing`, and `TensorInvalid` for another shape or for a type without weights.
    """
    tensor = tensors.find_tensor(slot.name)
    if tensor.shape != slot.shape:
        raise TensorInvalid(slot.name, f"has shape {tensor.shape}, not {slot.shape}")
    return tensor, dequantizer_for(tensor)
