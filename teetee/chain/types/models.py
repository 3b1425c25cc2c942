# SPDX-License-Identifier: Apache-2.0
"""A published model."""

from dataclasses import dataclass

from teetee.protocol.identifiers import ModelId
from teetee.protocol.layers import LayerRange
from teetee.protocol.typed_data import keccak256


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Digests, prices and terms. Digests are 32 bytes, prices token wei per LLM token."""

    model_id: ModelId
    name: str
    layer_digests: tuple[bytes, ...]
    embedding_digest: bytes
    head_digest: bytes
    context_length: int
    """Tokens, prompt and answer together."""
    input_price: int
    output_price: int
    entry_layer_equivalents: int
    """The weight of embedding and head in an entry's share, in whole layers."""
    royalty_bps: int
    royalty_recipient: str
    manifest_uri: str

    @property
    def layer_count(self) -> int:
        """The number of layers that a path must tile."""
        return len(self.layer_digests)

    @property
    def layers(self) -> LayerRange:
        """The whole range."""
        return LayerRange(0, self.layer_count)

    @property
    def digest(self) -> bytes:
        """Of the whole model, 32 bytes: the slice digest of an entry with all layers."""
        return self.slice_digest(self.layers, is_entry=True)

    def slice_digest(self, layers: LayerRange, is_entry: bool) -> bytes:
        """32 bytes, docs/protocol.md section 2. `layers` must lie within the model."""
        digests = list(self.layer_digests[layers.first : layers.end])
        if is_entry:
            digests += [self.embedding_digest, self.head_digest]
        return keccak256(b"".join(digests))

    def deposit(self, max_input_tokens: int, max_output_tokens: int) -> int:
        """The maximum cost of a request with these caps, token wei."""
        return max_input_tokens * self.input_price + max_output_tokens * self.output_price
