# SPDX-License-Identifier: Apache-2.0
"""Pads plaintext to a few sizes, which hide its exact length. docs/protocol.md section 4."""

from teetee.errors import EnvelopeTooLarge

BUCKETS = tuple(512 << step for step in range(8))
"""Sizes of the padded plaintext, 512 … 65536 bytes."""
MAX_PLAINTEXT_BYTES = BUCKETS[-1] - 4
"""Of a prompt's or an answer's JSON."""


def bucket_of(plaintext: bytes) -> int:
    """The size that a prompt's or an answer's JSON is padded to: all that its envelope tells of its
    length. Raises `EnvelopeTooLarge`.
    """
    for bucket in BUCKETS:
        if 4 + len(plaintext) <= bucket:
            return bucket
    raise EnvelopeTooLarge(len(plaintext), MAX_PLAINTEXT_BYTES)


def pad(plaintext: bytes) -> bytes:
    """Length, plaintext, and zeros up to its bucket. Raises `EnvelopeTooLarge`."""
    framed = len(plaintext).to_bytes(4) + plaintext
    return framed.ljust(bucket_of(plaintext), b"\0")


def unpad(padded: bytes) -> bytes | None:
    """The plaintext; None if length or padding is invalid. The caller has checked that `padded`
    fills a bucket.
    """
    end = 4 + int.from_bytes(padded[:4])
    if end > len(padded) or any(padded[end:]):
        return None
    return padded[4:end]
