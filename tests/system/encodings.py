# SPDX-License-Identifier: Apache-2.0
"""The usual encodings of a text, to find it where it should not be."""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote


def encodings(text: str) -> dict[str, bytes]:
    """Encoding → bytes."""
    plain = text.encode()
    return {
        "UTF-8": plain,
        "UTF-16 LE": text.encode("utf-16-le"),
        "UTF-16 BE": text.encode("utf-16-be"),
        "UTF-32": text.encode("utf-32-le"),
        "JSON": json.dumps(text)[1:-1].encode(),
        "JSON in JSON": json.dumps(json.dumps(text)[1:-1])[1:-1].encode(),
        "URL": quote(text, safe="").encode(),
        "hex": plain.hex().encode(),
        "HEX": plain.hex().upper().encode(),
        "hex of UTF-16": text.encode("utf-16-le").hex().encode(),
        "reversed": plain[::-1],
        **{f"base64 at {shift}": middle for shift, middle in _base64(plain)},
    }


def found_in(content: bytes, texts: list[str]) -> list[str]:
    """The texts found in `content`, with their encoding; also if compressed by zlib or gzip."""
    found = [
        f"{name} of {text!r}"
        for text in texts
        for name, encoded in encodings(text).items()
        if encoded in content
    ]
    for opened in _decompressed(content):
        found += [f"compressed {text!r}" for text in texts if text.encode() in opened]
    return found


def _base64(plain: bytes) -> Iterator[tuple[int, bytes]]:
    """The characters that do not depend on the neighbours, for each of the three alignments."""
    for shift in range(3):
        encoded = binascii.b2a_base64(bytes(shift) + plain, newline=False)
        begin = 0 if shift == 0 else 4
        end = (shift + len(plain)) // 3 * 4
        yield shift, encoded[begin:end]
        yield shift + 3, base64.urlsafe_b64encode(bytes(shift) + plain)[begin:end]


def _decompressed(content: bytes) -> Iterator[bytes]:
    for mark, bits in ((b"\x1f\x8b\x08", 31), (b"\x78\x9c", 15)):
        at = content.find(mark)
        while at >= 0:
            with suppress(zlib.error):  # the mark occurred by chance
                yield zlib.decompressobj(bits).decompress(content[at:], 1 << 24)
            at = content.find(mark, at + 1)
