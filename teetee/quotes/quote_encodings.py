# SPDX-License-Identifier: Apache-2.0
"""Finds a quote's bytes in what guest agents, verifiers and people write: raw, in hexadecimal or
base64 of any layout, as PEM, or somewhere in JSON. Checks no signature.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterator
from typing import Final

from teetee.protocol.json import distinct as distinct_json
from teetee.protocol.json.shallow import NotJson

MIN_QUOTE_BYTES: Final = 432
"""An SGX quote's header and report. In JSON, nothing shorter is taken for a quote."""
_MAX_LAYERS: Final = 3
"""Of encodings around each other, such as base64 of hexadecimal."""

_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_HEX_SEPARATORS = re.compile(r"(?:0|\\)[xX](?=[0-9A-Fa-f])|[\s:,;\-]+")
_HEX = re.compile(r"[0-9A-Fa-f]{2,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_INNER_SPACE = re.compile(r"\S[ \t]+\S")
"""Within a line. Decoding a web form turns each plus sign into a space."""
_USUAL_ALPHABET: Final = str.maketrans("-_", "+/")
_PEM_BEGIN = re.compile(r"-----BEGIN ([^-\n]*)-----")
_DATA_URL = re.compile(r"data:[\w/.+\-]*;base64,")
_TOKEN = re.compile(r"eyJ[\w\-]*\.[\w\-]+\.[\w\-]*")
_DUMP = re.compile(r"0{4,8}:?\s+(?:[0-9A-Fa-f]{2,4}\s+){4}")
_NAMED_QUOTE = re.compile(r"quote|attestation|evidence|report", re.IGNORECASE)

# Evidence of other kinds: how it begins, its length if fixed, and what it is.
_OTHERS: Final = (
    (b"\x1f\x8b", 0, "it is compressed with gzip: unpack it"),
    (b"\x28\xb5\x2f\xfd", 0, "it is compressed with zstd: unpack it"),
    (b"PK\x03\x04", 0, "it is a zip archive: unpack it"),
    (b"\x81\x00", 1024, "it is a TDREPORT, which only its own machine can verify: have it quoted"),
    (b"\x02\x00\x00\x00", 1184, "it is an attestation report of AMD SEV-SNP"),
    (b"\x03\x00\x00\x00", 1184, "it is an attestation report of AMD SEV-SNP"),
    (b"\x05\x00\x00\x00", 1184, "it is an attestation report of AMD SEV-SNP"),
    (b"\xffTCG", 0, "it is a quote of a TPM"),
)


class NoQuoteFound(ValueError):
    """The message says what was found instead, as a clause."""


def find_quote(data: bytes) -> bytes:
    """The quote's bytes, with what follows them. Raises `NoQuoteFound`."""
    if reason := _other_evidence(data):
        raise NoQuoteFound(reason)
    if _begins_quote(data):
        return data
    text = _text_of(data)
    if not text:
        raise NoQuoteFound(f"encoding not known: it begins with the bytes {data[:16].hex(' ')}")
    problem = ""
    if text[:1] in ("{", "[", '"'):
        try:
            value = distinct_json.load(text.encode())
            if isinstance(value, str):
                text = value
                if text.lstrip()[:1] in ("{", "["):
                    value = distinct_json.load(text.encode(errors="replace"))
            if not isinstance(value, str):
                return _from_json(value)
        except NotJson as error:
            problem = f"it looks like JSON, but {error}"
    found = _decode(text)
    if found is None or not _begins_quote(found):
        raise NoQuoteFound(_other_evidence(found or b"") or problem or _explained(text, found))
    return found


def _begins_quote(data: bytes) -> bool:
    """Text never does: it begins with a character, and a quote with the number of its version."""
    return len(data) > 1 and data[1] == 0 and 1 <= data[0] <= 8


def _is_quote(data: bytes) -> bool:
    """Strict enough to find one among other fields: version 3 to 5, of SGX or TDX."""
    return (
        len(data) >= MIN_QUOTE_BYTES
        and data[:2] in (b"\x03\x00", b"\x04\x00", b"\x05\x00")
        and data[2:4] in (b"\x02\x00", b"\x03\x00")
        and data[4:8] in (b"\x00\x00\x00\x00", b"\x81\x00\x00\x00")
    )


def _text_of(data: bytes) -> str | None:
    """Text without byte order mark, surrounding space and quotation marks; None for other bytes."""
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    try:
        return data[len(mark) :].decode(encoding).strip("\0'" + string.whitespace)
    except UnicodeDecodeError:
        return None


# ---------------------------------------------------------------- encodings


def _decode(text: str, layers: int = _MAX_LAYERS) -> bytes | None:
    """Bytes in hexadecimal, base64 or PEM, also one in another. None if it is none of them."""
    if begin := _PEM_BEGIN.search(text):
        text = text[begin.end() :].partition(f"-----END {begin[1]}-----")[0]
    text = _DATA_URL.sub("", text.strip().strip("\"'"), count=1)
    found = _from_hex(text)
    if found is None:
        found = _from_base64(text)
    if found is None or _begins_quote(found) or layers == 1:
        return found
    inner = _text_of(found)
    return (_decode(inner, layers - 1) if inner else None) or found


def _from_hex(text: str) -> bytes | None:
    """In pairs, lines or groups of any length, with colons, commas, dashes or 0x between them."""
    digits = _HEX_SEPARATORS.sub("", text.strip("{}[]();"))
    if not _HEX.fullmatch(digits):
        return None
    if len(digits) % 2:
        raise NoQuoteFound(f"it has an odd number of hexadecimal digits ({len(digits)})")
    return bytes.fromhex(digits)


def _from_base64(text: str) -> bytes | None:
    """In the standard or the URL alphabet, on one line or several, with or without padding."""
    digits = "".join(text.split()).translate(_USUAL_ALPHABET)
    if not _BASE64.fullmatch(digits):
        return None
    digits = digits.rstrip("=")
    try:
        found = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        return None
    if _INNER_SPACE.search(text) and _begins_quote(found):
        raise NoQuoteFound("its base64 contains spaces, perhaps in place of plus signs")
    return found


# ---------------------------------------------------------------- JSON


def _from_json(value: object) -> bytes:
    found: dict[bytes, tuple[bytes, str]] = {}
    """By the bytes without zeros at their end: copies may differ in those."""
    for place, data in _candidates(value, ""):
        if _is_quote(data):
            longest, first = found.get(data.rstrip(b"\0"), (b"", place))
            found[data.rstrip(b"\0")] = max(data, longest, key=len), first
    if len(found) == 1:
        # With its zeros: the last one may belong to the certificates.
        return next(data for data, _ in found.values())
    if found:
        places = " and ".join([place for _, place in found.values()][:4])
        raise NoQuoteFound(
            f"it contains {len(found)} different quotes, at {places}: save the one you mean alone"
        )
    raise NoQuoteFound(_without_quote(value))


def _candidates(
    value: object, place: str, layers: int = _MAX_LAYERS
) -> Iterator[tuple[str, bytes]]:
    """Everything in the JSON that stands for bytes, with its place."""
    for name, text in _leaves(value, place):
        if isinstance(text, bytes):
            yield name, text
            continue
        if layers > 1 and text.lstrip()[:1] in ("{", "["):
            try:
                inner = distinct_json.load(text.encode())
            except ValueError:
                continue
            yield from _candidates(inner, name, layers - 1)
            continue
        try:
            decoded = _decode(text)
        except NoQuoteFound:
            continue
        if decoded is not None:
            yield name, decoded


def _leaves(value: object, place: str) -> Iterator[tuple[str, str | bytes]]:
    """Texts, and lists of numbers as bytes."""
    if isinstance(value, str):
        yield place or "the top", value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        if value and all(type(each) is int and 0 <= each < 256 for each in value):
            yield place or "the top", bytes(value)
            return
        for index, each in enumerate(value):
            yield from _leaves(each, f"{place}[{index}]")


def _without_quote(value: object) -> str:
    """Why the JSON has no quote: the field that should be one, else the fields that there are."""
    for name, text in _leaves(value, ""):
        if isinstance(text, str) and text and _NAMED_QUOTE.search(name.rpartition(".")[2]):
            return f"encoding not known: the field {name} of its JSON {_beginning(text)}"
    names = [str(name)[:40] for name in value] if isinstance(value, dict) else []
    listed = ", ".join(names[:8])
    return "its JSON contains no quote" + (f"; it has the fields {listed}" if listed else "")


# ---------------------------------------------------------------- what it is instead


def _other_evidence(data: bytes) -> str:
    return next(
        (what for head, size, what in _OTHERS if data.startswith(head) and size in (0, len(data))),
        "",
    )


def _explained(text: str, decoded: bytes | None) -> str:
    if _TOKEN.fullmatch(text):
        return "it is a token (JWT): a verifier's verdict, which contains no quote"
    if "-----BEGIN CERTIFICATE" in text:
        return "it is a certificate"
    if _DUMP.match(text):
        return "encoding not known: it looks like a dump with offsets; `xxd -p` writes digits only"
    if decoded is not None and _HEX.fullmatch(_HEX_SEPARATORS.sub("", text)):
        return f"its hexadecimal digits are of no quote: they begin with {decoded[:8].hex(' ')}"
    return f"encoding not known: it {_beginning(text)}"


def _beginning(text: str) -> str:
    shown = "".join(each if each.isprintable() else "·" for each in text[:24])
    more = "…" if len(text) > 24 else ""
    return f"begins with {shown}{more} ({text[:8].encode(errors='replace').hex(' ')})"
