# SPDX-License-Identifier: Apache-2.0
"""Keccak-256 as Ethereum and dstack's KMS use it: with the padding byte before NIST changed it.

The standard library and `cryptography` have only SHA-3. Meant for short public messages: slow, and
not constant-time. Source: keccak.team, "The Keccak reference" 3.0, section 1.2.
"""

_RATE = 136  # bytes, for 256 bits of output
_LANE = (1 << 64) - 1


def _round_constants() -> list[int]:
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if register & 1:
                constant |= 1 << ((1 << j) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


_ROUNDS = _round_constants()


def _rotate(lane: int, count: int) -> int:
    count %= 64
    return (lane << count | lane >> (64 - count)) & _LANE


def _permute(a: list[list[int]]) -> None:
    """Keccak-f[1600] in place on `a[x][y]`, 5 × 5 lanes of 64 bits."""
    for constant in _ROUNDS:
        parity = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        for x in range(5):
            spread = parity[x - 1] ^ _rotate(parity[(x + 1) % 5], 1)
            for y in range(5):
                a[x][y] ^= spread
        x, y, current = 1, 0, a[1][0]
        for t in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, a[x][y] = a[x][y], _rotate(current, (t + 1) * (t + 2) // 2)
        for y in range(5):
            row = [a[x][y] for x in range(5)]
            for x in range(5):
                a[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
        a[0][0] ^= constant


def keccak256(message: bytes) -> bytes:
    """The 32-byte digest."""
    padding = bytearray(_RATE - len(message) % _RATE)
    padding[0] ^= 0x01
    padding[-1] ^= 0x80
    padded = message + padding
    state = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), _RATE):
        for i in range(_RATE // 8):
            at = start + 8 * i
            state[i % 5][i // 5] ^= int.from_bytes(padded[at : at + 8], "little")
        _permute(state)
    return b"".join(state[i][0].to_bytes(8, "little") for i in range(4))
