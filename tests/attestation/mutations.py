# SPDX-License-Identifier: Apache-2.0
"""Random changes to evidence, from a seed: some blind, some by an attacker who knows the formats
and can sign again.

Most results are invalid. The tests check that nothing passes that the independent verifier refuses,
and that invalid evidence is refused for a reason, not by a panic or by running out of gas.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tee_simulator.collateral.conditions import STATUSES
from tests.attestation.evidence import Evidence
from tests.attestation.simulated import World, element_bytes, header_bytes, to_be_signed

CERTIFICATES = ("authority", "leaf", "signer")
LISTS = ("root_crl", "pck_crl")
TEXTS = ("tcb_info", "qe_identity")
PARTS = tuple(Evidence.__dataclass_fields__)

WORDS = (*STATUSES, "Unknown", "uptodate")

Change = Callable[[random.Random, bytes], bytes]
Mutate = Callable[[random.Random, Evidence, Evidence, World], Evidence]
"""From evidence, other evidence, and the world whose keys are available."""


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


def elements(encoded: bytes) -> list[int]:
    """The offsets of all elements, nested ones included."""
    found: list[int] = []
    _elements(encoded, 0, len(encoded), found)
    return found


def _elements(encoded: bytes, offset: int, end: int, found: list[int]) -> None:
    while offset + 2 <= end:
        size = element_bytes(encoded, offset)
        if offset + size > end:
            return
        found.append(offset)
        if encoded[offset] & 0x20 or encoded[offset] == 0x04:
            _elements(encoded, offset + header_bytes(encoded, offset), offset + size, found)
        offset += size


def _der_trick(rng: random.Random, encoded: bytes) -> bytes:
    """One element in another form, with the lengths around it corrected where possible."""
    place = rng.choice(elements(encoded))
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
    return relengthed(encoded, place, size, changed)


def _encoded(tag: bytes, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return tag + bytes([length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return tag + bytes([0x80 | len(size)]) + size + content


def relengthed(encoded: bytes, place: int, size: int, changed: bytes) -> bytes:
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
    objects = list(_objects(found))
    # the outermost as often as all others together
    chosen = rng.choice((found, rng.choice(objects)))
    members = list(chosen.items())
    rng.shuffle(members)
    chosen.clear()
    chosen.update(members)
    return json.dumps(found, separators=(",", ":"))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _objects(each)


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
    return plain[: found.start(1)] + rng.choice(WORDS) + plain[found.end(1) :]


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


def _blind(change: Change) -> Mutate:
    """One part changed and not signed again."""

    def mutate(rng: random.Random, ground: Evidence, _other: Evidence, _world: World) -> Evidence:
        part = rng.choice(PARTS)
        return replace(ground, **{part: change(rng, getattr(ground, part))})

    return mutate


def _text(trick: Callable[[random.Random, str], str]) -> Mutate:
    """TCB info or QE identity changed, and signed by that world's signer of collateral."""

    def mutate(rng: random.Random, ground: Evidence, _other: Evidence, world: World) -> Evidence:
        part = rng.choice(TEXTS)
        text = trick(rng, getattr(ground, part).decode()).encode()
        return replace(ground, **{part: text, f"{part}_signature": world.sign_json(text)})

    return mutate


def _signed(parts: tuple[str, ...], trick: Change | None = None) -> Mutate:
    """A certificate or CRL changed, and signed by that world's root or authority."""

    def mutate(rng: random.Random, ground: Evidence, _other: Evidence, world: World) -> Evidence:
        part = rng.choice(parts)
        change = trick or rng.choice(BLIND)
        content = change(rng, to_be_signed(getattr(ground, part)))
        sign = world.sign_leaf if part in ("leaf", "pck_crl") else world.sign_below_root
        return replace(ground, **{part: sign(content)})

    return mutate


def _core(start: Callable[[int], int], size: Callable[[int], int], *, by_pck: bool) -> Mutate:
    """A change to what the attestation key or the PCK signs, signed by that world's machine."""

    def mutate(rng: random.Random, ground: Evidence, _other: Evidence, world: World) -> Evidence:
        core = ground.core
        first = start(len(core))
        end = first + size(len(core))
        inner = rng.choice((_flip, _overwrite))(rng, core[first:end])[: end - first]
        sign = world.sign_qe_report if by_pck else world.sign_quote
        return replace(ground, core=sign(core[:first] + inner + core[end:]))

    return mutate


def _part_of_another(
    rng: random.Random, ground: Evidence, other: Evidence, _world: World
) -> Evidence:
    """One to three parts of another's."""
    parts = rng.sample(PARTS, rng.randrange(1, 4))
    return replace(ground, **{part: getattr(other, part) for part in parts})


def _piece_of_another_quote(
    rng: random.Random, ground: Evidence, other: Evidence, _world: World
) -> Evidence:
    """One or two of a quote's pieces (header and report, each signature, the key, the QE's report
    and authentication data) from another's."""
    cuts = (0, len(ground.core) - 608)
    core = ground.core
    for start, end in rng.sample(_PIECES, rng.randrange(1, 3)):
        first, last = cuts[1] + start, cuts[1] + end
        piece = other.core[len(other.core) - 608 + start : len(other.core) - 608 + end]
        core = core[:first] + piece + core[last:]
    if rng.random() < 0.3:
        core = other.core[: len(other.core) - 608] + core[len(core) - 608 :]
    return replace(ground, core=core)


def _from_another_root(
    rng: random.Random, ground: Evidence, _other: Evidence, world: World
) -> Evidence:
    """Everything from another root, or everything but one part."""
    foreign = world.evidence(v5=rng.random() < 0.3)
    part = rng.choice((*PARTS, None))
    return foreign if part is None else replace(foreign, **{part: getattr(ground, part)})


# after the signed part: signature, key, QE report, its signature, QE auth data
_PIECES = ((0, 64), (64, 128), (128, 512), (512, 576), (576, 608))

BY_ANYONE: dict[str, Mutate] = {
    "bit flipped": _blind(_flip),
    "bytes overwritten": _blind(_overwrite),
    "truncated": _blind(_truncate),
    "extended": _blind(_extend),
    "bytes cut out": _blind(_cut_out),
    "bytes repeated": _blind(_repeat),
    "bytes swapped": _blind(_swap),
    "parts of another evidence": _part_of_another,
    "pieces of another quote": _piece_of_another_quote,
}
"""Need no key."""

BY_SIGNERS: dict[str, Mutate] = {
    "DER of a certificate": _signed(CERTIFICATES, _der_trick),
    "DER of a CRL": _signed(LISTS, _der_trick),
    "bytes of a certificate or CRL": _signed(CERTIFICATES + LISTS),
    "JSON key repeated": _text(_repeat_key),
    "JSON key unknown": _text(_unknown_key),
    "JSON keys reordered": _text(_reorder),
    "JSON key missing": _text(_drop_key),
    "JSON number": _text(_other_number),
    "JSON status": _text(_other_status),
    "JSON text": _text(_other_text),
    "JSON white space": _text(_white_space),
    "JSON escape": _text(_escape),
    "JSON levels": _text(_other_levels),
    "quote": _core(lambda _: 0, lambda size: size - 608, by_pck=False),
    "QE report": _core(lambda size: size - 480, lambda _: 384, by_pck=True),
}
"""Need keys: those of the ground's own world, or a stranger's."""

BY_A_STRANGER: dict[str, Mutate] = {"everything of another root": _from_another_root}
