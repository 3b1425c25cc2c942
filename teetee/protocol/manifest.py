# SPDX-License-Identifier: Apache-2.0
"""A published model's digests, and the digest of any slice of it. docs/protocol.md section 2.

`shard_runtime.model_files` computes the digests from a model's files.
"""

import json
from dataclasses import dataclass
from typing import Any

from teetee.errors import FieldInvalid, ManifestInvalid
from teetee.protocol.json import shallow as shallow_json
from teetee.protocol.json.strict import require_bytes
from teetee.protocol.layers import MAX_LAYERS, LayerRange
from teetee.protocol.prompt import TemplateTokens
from teetee.protocol.typed_data import keccak256

MAX_MANIFEST_BYTES = 8 << 20
MAX_NAME_CHARACTERS = 128
_FIELDS = {
    "name",
    "layer_count",
    "config_digest",
    "layer_digests",
    "embedding_digest",
    "head_digest",
    "context_length",
}
_LATER_FIELDS = {"token_ids_digest", "template_tokens", "precision"}

PRECISIONS = ("int8", "float32", "bfloat16", "float16")
DEFAULT_PRECISION = "float32"
"""A manifest and a `configDigest` without a precision are for this one."""


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """What `publish_model` publishes, and what an enclave compares its loaded weights with. Digests
    are 32 bytes.
    """

    name: str
    layer_count: int
    config_digest: bytes
    layer_digests: tuple[bytes, ...]
    embedding_digest: bytes
    head_digest: bytes
    context_length: int
    """In tokens, prompt and answer together."""
    token_ids_digest: bytes | None = None
    """Of the tokenizer's ids for the sample text; None for a model without a tokenizer. The
    contracts do not know it: an entry compares it when it loads."""
    template_tokens: TemplateTokens | None = None
    """What the chat template adds to a prompt; None: there is none, or it was not measured. The
    contracts do not know it."""

    precision: str = DEFAULT_PRECISION
    """In which shards of this model compute. All digests cover it."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ManifestInvalid("precision", f"must be one of {', '.join(PRECISIONS)}")
        if not 1 <= len(self.name) <= MAX_NAME_CHARACTERS:
            raise ManifestInvalid("name", f"must have 1 to {MAX_NAME_CHARACTERS} characters")
        if not 1 <= self.layer_count <= MAX_LAYERS or self.layer_count != len(self.layer_digests):
            raise ManifestInvalid(
                "layer_count", f"must be the number of layer_digests, 1 to {MAX_LAYERS}"
            )
        if not 1 <= self.context_length < 1 << 32:
            raise ManifestInvalid("context_length", "must be from 1 to 4294967295 tokens")
        digests = [self.config_digest, *self.layer_digests, self.embedding_digest, self.head_digest]
        digests += [] if self.token_ids_digest is None else [self.token_ids_digest]
        if any(len(digest) != 32 for digest in digests):
            raise ManifestInvalid("digests", "must be 32 bytes each")

    def slice_digest(self, layers: LayerRange, is_entry: bool) -> bytes:
        """32 bytes, equal to what the registry computes.

        Raises `ManifestInvalid` if the range exceeds the model.
        """
        if layers.end > self.layer_count:
            raise ManifestInvalid(
                "layer_count", f"is {self.layer_count}, which does not contain {layers}"
            )
        digests = list(self.layer_digests[layers.first : layers.end])
        if is_entry:
            digests += [self.embedding_digest, self.head_digest]
        return keccak256(b"".join(digests))

    def to_json(self) -> str:
        """Readable JSON; equal manifests give equal text."""
        value: dict[str, Any] = {
            "name": self.name,
            "layer_count": self.layer_count,
            "context_length": self.context_length,
            "config_digest": "0x" + self.config_digest.hex(),
            "embedding_digest": "0x" + self.embedding_digest.hex(),
            "head_digest": "0x" + self.head_digest.hex(),
            "layer_digests": ["0x" + digest.hex() for digest in self.layer_digests],
        }
        if self.token_ids_digest is not None:
            value["token_ids_digest"] = "0x" + self.token_ids_digest.hex()
        if self.template_tokens is not None:
            value["template_tokens"] = self.template_tokens.to_json()
        if self.precision != DEFAULT_PRECISION:
            value["precision"] = self.precision
        return json.dumps(value, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "ModelManifest":
        """The reverse of `to_json`. Raises `ManifestInvalid` naming the first invalid field."""
        if len(text) > MAX_MANIFEST_BYTES:
            raise ManifestInvalid("the file", f"must not exceed {MAX_MANIFEST_BYTES} bytes")
        try:
            value = shallow_json.load(text.encode())
        except ValueError as error:
            raise ManifestInvalid("the file", str(error)) from None
        if not isinstance(value, dict) or set(value) - _LATER_FIELDS != _FIELDS:
            raise ManifestInvalid("the file", f"must be an object with exactly {sorted(_FIELDS)}")
        if not isinstance(value["name"], str) or not isinstance(value["layer_digests"], list):
            raise ManifestInvalid(
                "the file", "must have a string as name and a list as layer_digests"
            )
        return cls(
            name=value["name"],
            layer_count=_number(value, "layer_count"),
            config_digest=_digest("config_digest", value["config_digest"]),
            layer_digests=tuple(
                _digest("layer_digests", digest) for digest in value["layer_digests"]
            ),
            embedding_digest=_digest("embedding_digest", value["embedding_digest"]),
            head_digest=_digest("head_digest", value["head_digest"]),
            context_length=_number(value, "context_length"),
            token_ids_digest=(
                _digest("token_ids_digest", value["token_ids_digest"])
                if "token_ids_digest" in value
                else None
            ),
            template_tokens=(
                _template_tokens(value["template_tokens"]) if "template_tokens" in value else None
            ),
            precision=value.get("precision", DEFAULT_PRECISION),
        )


def _number(value: dict[str, Any], field: str) -> int:
    number = value[field]
    if not isinstance(number, int) or isinstance(number, bool):
        raise ManifestInvalid(field, "must be an integer")
    return number


def _template_tokens(value: object) -> TemplateTokens:
    try:
        return TemplateTokens.from_json(value)
    except FieldInvalid as error:
        rule = f"are not valid: {error.field} {error.rule}"
        raise ManifestInvalid("template_tokens", rule) from None


def _digest(field: str, text: object) -> bytes:
    return require_bytes(text, field, ManifestInvalid, size=32)
