# SPDX-License-Identifier: Apache-2.0
"""The digest of a tokenizer's ids for the sample text, and its comparison with the published one.

It depends on the model's files and on the version of the tokenizers package, which runs them.
"""

import struct
from hashlib import sha256

from shard_runtime.errors import TokenIdsDiffer
from shard_runtime.model_files.tokenizer.sample_text import sample_digest, sample_lines
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from teetee.protocol.manifest import ModelManifest


def token_ids_digest(tokenizer: ModelTokenizer) -> bytes | None:
    """`tokenIdsDigest` of docs/protocol.md section 2, 32 bytes; None without a tokenizer."""
    if not tokenizer.reads_text:
        return None
    hasher = sha256(b"teetee/token-ids/v1" + sample_digest())
    for ids in tokenizer.encode_lines(sample_lines()):
        hasher.update(struct.pack(f">{len(ids) + 1}I", len(ids), *ids))
    return hasher.digest()


def check_token_ids(tokenizer: ModelTokenizer, manifest: ModelManifest) -> None:
    """Raises `TokenIdsDiffer` unless the tokenizer gives the published ids for the sample text."""
    found = token_ids_digest(tokenizer)
    if found != manifest.token_ids_digest:
        raise TokenIdsDiffer(manifest.token_ids_digest, found)
