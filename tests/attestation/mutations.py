"""Random changes to evidence, by a seed: some blind, some by somebody who knows the formats and can
sign again.

Most of what comes out is invalid. What matters is that nothing which the independent verifier
refuses passes, and that whatever is invalid is refused for a reason, not by running out of gas or
into a panic.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace

from tests.attestation.evidence import Evidence
from tests.attestation.simulated import World, element_bytes, header_bytes, to_be_signed

CERTIFICATES = ("authority", "leaf", "signer")
LISTS = ("root_crl", "pck_crl")
TEXTS = ("tcb_info", "qe_identity")
PARTS = tuple(Evidence.__dataclass_fields__)

STATUSES = (
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
    "Unknown",
    "uptodate",
)

Change = Callable[[random.Random, bytes], bytes]


# ---------------------------------------------------------------- any bytes


def _flip(rng: random.Random, raw: bytes) -> bytes:
    place = rng.randrange(len(raw))
    return raw[:place] + bytes([raw[place] ^ 1 << rng.randrange(8)]) + raw[place + 1 :]


def _overwrite(rng: random.Random, raw: bytes) -> bytes:
    place = rng.randrange(len(raw))
    content = rng.randbytes(rng.choice((1, 2, 4, 16)))
    return raw[:place] + content + raw[place + len(content) :]


def _truncate(rng: random.Random, raw: bytes) -> bytes:
    return raw[: rng.randrange(len(raw))]


def _extend(rng: random.Random, raw: bytes) -> bytes:
    return raw + rng.choice((b"\x00", b" ", b"}", rng.randbytes(rng.randrange(1, 40))))


def _cut_out(rng: random.Random, raw: bytes) -> bytes:
    start = rng.randrange(len(raw))
    return raw[:start] + raw[start + rng.randrange(1, 20) :]


def _repeat(rng: random.Random, raw: bytes) -> bytes:
    start = rng.randrange(len(raw))
    end = min(len(raw), start + rng.randrange(1, 60))
    return raw[:end] + raw[start:]


def _swap(rng: random.Random, raw: bytes) -> bytes:
    size = rng.choice((1, 2, 8))
    first, second = sorted(rng.randrange(max(1, len(raw) - size)) for _ in range(2))
    if second < first + size:
        return raw[::-1]
    left, right = raw[first : first + size], raw[second : second + size]
    return raw[:first] + right + raw[first + size : second] + left + raw[second + size :]


BLIND: tuple[Change, ...] = (_flip, _overwrite, _truncate, _extend, _cut_out, _repeat, _swap)


# ---------------------------------------------------------------- DER


def _elements(encoded: bytes, offset: int, end: int, found: list[int]) -> None:
    """The offsets of all elements in [offset, end), and within those that are made of others."""
    while offset + 2 <= end:
        size = element_bytes(encoded, offset)
        if offset + size > end:
            return
        found.append(offset)
        if encoded[offset] & 0x20 or encoded[offset] == 0x04:
            _elements(encoded, offset + header_bytes(encoded, offset), offset + size, found)
        offset += size


def _der_trick(rng: random.Random, encoded: bytes) -> bytes:
    """One element written otherwise, and the lengths around it put right as far as that goes."""
    found: list[int] = []
    _elements(encoded, 0, len(encoded), found)
    place = rng.choice(found)
    head, size = header_bytes(encoded, place), element_bytes(encoded, place)
    tag, content = encoded[place : place + 1], encoded[place + head : place + size]
    length = len(content)
    longer = length.to_bytes(max(1, (length.bit_length() + 7) // 8) + rng.randrange(2), "big")
    tricks = (
        tag + bytes([0x80 | len(longer)]) + longer + content,  # a length longer than needed
        tag + b"\x80" + content + b"\x00\x00",  # an indefinite length
        bytes([tag[0] ^ rng.choice((0x20, 0x01, 0x1F, 0x80))]) + encoded[place + 1 : place + size],
        _encoded(tag, b"\x00" + content),  # a padded integer, or a byte too much
        _encoded(tag, content + b"\x00"),
        _encoded(tag, content[1:]),
        _encoded(tag, content[:-1]),
        _encoded(tag, b""),
        encoded[place : place + size] * 2,  # there twice
        b"",  # not there
        b"\x05\x00" + encoded[place : place + size],  # NULL before it
        b"\x01\x01\x01",  # a boolean that is neither
    )
    changed = rng.choice(tricks)
    return _relengthed(encoded, place, size, changed)


def _encoded(tag: bytes, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return tag + bytes([length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return tag + bytes([0x80 | len(size)]) + size + content


def _relengthed(encoded: bytes, place: int, size: int, changed: bytes) -> bytes:
    """`changed` in the place of an element, within elements of their right lengths."""

    def rebuilt(offset: int, end: int) -> bytes:
        out = b""
        while offset < end:
            whole = element_bytes(encoded, offset)
            if offset == place:
                out += changed
            elif offset < place < offset + whole:
                head = header_bytes(encoded, offset)
                inner = rebuilt(offset + head, offset + whole)
                out += _encoded(encoded[offset : offset + 1], inner)
            else:
                out += encoded[offset : offset + whole]
            offset += whole
        return out

    try:
        return rebuilt(0, len(encoded))
    except IndexError:
        return encoded[:place] + changed + encoded[place + size :]


# ---------------------------------------------------------------- JSON


def _json_trick(rng: random.Random, text: bytes) -> bytes:
    plain = text.decode()
    tricks: tuple[Callable[[random.Random, str], str], ...] = (
        _repeat_key,
        _unknown_key,
        _reorder,
        _other_number,
        _other_status,
        _white_space,
        _escape,
        _other_text,
        _drop_key,
        _other_levels,
    )
    return rng.choice(tricks)(rng, plain).encode()


def _members(plain: str) -> list[re.Match[str]]:
    return list(re.finditer(r'"(\w+)":("[^"]*"|\d+)', plain))


def _repeat_key(rng: random.Random, plain: str) -> str:
    member = rng.choice(_members(plain))
    other = rng.choice(_members(plain)).group(2)
    value = rng.choice((member.group(2), other))
    return f'{plain[: member.end()]},"{member.group(1)}":{value}{plain[member.end() :]}'


def _unknown_key(rng: random.Random, plain: str) -> str:
    place = rng.choice(_members(plain)).end()
    return f'{plain[:place]},"{rng.choice(("x", "tcbInfo", "SVN"))}":1{plain[place:]}'


def _reorder(rng: random.Random, plain: str) -> str:
    found = json.loads(plain)
    keys = list(found)
    rng.shuffle(keys)
    return json.dumps({key: found[key] for key in keys}, separators=(",", ":"))


def _other_number(rng: random.Random, plain: str) -> str:
    numbers = list(re.finditer(r":(\d+)", plain))
    number = rng.choice(numbers)
    value = int(number.group(1))
    other = rng.choice(
        (
            f"{value + 1}",
            f"{max(0, value - 1)}",
            f"0{value}",
            f"-{value}",
            f"{value}.0",
            f"{value}e0",
            "255",
            "256",
            "65536",
            "99999999999999999999",
            f'"{value}"',
            "null",
        )
    )
    return plain[: number.start(1)] + other + plain[number.end(1) :]


def _other_status(rng: random.Random, plain: str) -> str:
    found = rng.choice(list(re.finditer(r'"tcbStatus":"(\w+)"', plain)))
    return plain[: found.start(1)] + rng.choice(STATUSES) + plain[found.end(1) :]


def _white_space(rng: random.Random, plain: str) -> str:
    place = rng.choice([index for index, each in enumerate(plain) if each in '{}[],:"'])
    return plain[:place] + rng.choice((" ", "\n", "\t")) + plain[place:]


def _escape(rng: random.Random, plain: str) -> str:
    place = rng.choice([index for index, each in enumerate(plain) if each.isalpha()])
    return f"{plain[:place]}\\u{ord(plain[place]):04x}{plain[place + 1 :]}"


def _other_text(rng: random.Random, plain: str) -> str:
    member = rng.choice([each for each in _members(plain) if each.group(2).startswith('"')])
    value = member.group(2)[1:-1]
    other = rng.choice(
        (
            value.swapcase(),
            value[:-1],
            value + "0",
            "",
            value.replace("2026", "2027"),
            value.replace("-0", "-1"),
            value.replace("Z", "+00:00"),
            value.replace("T", " "),
            value.replace("0", "1", 1),
            "é" + value,
        )
    )
    return plain[: member.start(2) + 1] + other + plain[member.end(2) - 1 :]


def _drop_key(rng: random.Random, plain: str) -> str:
    member = rng.choice(_members(plain))
    end = member.end() + (plain[member.end()] == ",")
    return plain[: member.start()] + plain[end:]


def _other_levels(rng: random.Random, plain: str) -> str:
    found = json.loads(plain)
    levels = found["tcbLevels"]
    rng.choice((levels.reverse, lambda: levels.append(levels[0]), levels.clear))()
    return json.dumps(found, separators=(",", ":"))


# ---------------------------------------------------------------- evidence


def blind(rng: random.Random, evidence: Evidence) -> Evidence:
    """One part changed, and signed by nobody."""
    part = rng.choice(PARTS)
    return replace(evidence, **{part: rng.choice(BLIND)(rng, getattr(evidence, part))})


def swapped(rng: random.Random, evidence: Evidence, other: Evidence) -> Evidence:
    """One to three parts of another's."""
    parts = rng.sample(PARTS, rng.randrange(1, 4))
    return replace(evidence, **{part: getattr(other, part) for part in parts})


def resigned(rng: random.Random, evidence: Evidence, world: World) -> Evidence:
    """One part changed by somebody who holds every key of that world: its own, or a stranger's."""
    kind = rng.choice(("text", "text", "certificate", "list", "quote", "qe report"))
    if kind == "text":
        part = rng.choice(TEXTS)
        trick = rng.choice((_json_trick, _json_trick, _json_trick, rng.choice(BLIND)))
        text = trick(rng, getattr(evidence, part))
        return replace(evidence, **{part: text, f"{part}_signature": world.sign_json(text)})
    if kind in ("certificate", "list"):
        part = rng.choice(CERTIFICATES if kind == "certificate" else LISTS)
        trick = rng.choice((_der_trick, _der_trick, rng.choice(BLIND)))
        content = trick(rng, to_be_signed(getattr(evidence, part)))
        sign = world.sign_leaf if part in ("leaf", "pck_crl") else world.sign_below_root
        return replace(evidence, **{part: sign(content)})
    start, end = _quote_range(kind, len(evidence.core))
    inner = rng.choice((_flip, _overwrite))(rng, evidence.core[start:end])[: end - start]
    core = evidence.core[:start] + inner + evidence.core[end:]
    sign_quote = world.sign_quote if kind == "quote" else world.sign_qe_report
    return replace(evidence, core=sign_quote(core))


def _quote_range(kind: str, size: int) -> tuple[int, int]:
    """What the attestation key signs; what the PCK signs."""
    end = size - 608
    return (0, end) if kind == "quote" else (end + 128, end + 128 + 384)
