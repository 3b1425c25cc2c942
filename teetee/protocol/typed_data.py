# SPDX-License-Identifier: Apache-2.0
"""EIP-712 hashes of structs, domains and messages, as Solidity computes them, and the protocol's
domains by name and version: `escrow_domain`, `registry_domain`.

The usage token declares its own domain, which teetee/chain/contracts/token.py reads. Supports what
the protocol uses: flat structs of static types and strings; no arrays, no nested structs.
"""

from dataclasses import dataclass
from functools import cached_property

from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError
from eth_utils.crypto import keccak

from teetee.errors import FieldInvalid


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash, 32 bytes."""
    return bytes(keccak(data))


@dataclass(frozen=True)
class StructType:
    """A struct type by its EIP-712 signature, e.g. `Person(string name,address wallet)`."""

    signature: str

    @cached_property
    def type_hash(self) -> bytes:
        """32 bytes."""
        return keccak256(self.signature.encode())

    @cached_property
    def _fields(self) -> tuple[tuple[str, str], ...]:
        inside = self.signature[self.signature.index("(") + 1 : -1]
        pairs = (field.split(" ") for field in inside.split(","))
        return tuple((kind, name) for kind, name in pairs)

    def hash(self, *values: object) -> bytes:
        """The 32-byte struct hash of values in the signature's order.

        Raises `FieldInvalid` naming the first field whose value does not fit its type.
        """
        encoded = [self.type_hash]
        for (kind, name), value in zip(self._fields, values, strict=True):
            encoded.append(_encode_field(kind, name, value))
        return keccak256(b"".join(encoded))


_FIXED_BYTES = {"bytes4": 4, "bytes32": 32}


def _encode_field(kind: str, name: str, value: object) -> bytes:
    if kind == "string":
        if not isinstance(value, str):
            raise FieldInvalid(name, "must be a string")
        return keccak256(value.encode())
    if kind in _FIXED_BYTES and (not isinstance(value, bytes) or len(value) != _FIXED_BYTES[kind]):
        # eth_abi would pad a shorter value.
        raise FieldInvalid(name, f"must be {_FIXED_BYTES[kind]} bytes")
    try:
        return bytes(encode([kind], [value]))
    except (EncodingError, TypeError, ValueError):
        raise FieldInvalid(name, f"does not fit {kind}") from None


_DOMAIN = StructType(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)


@dataclass(frozen=True)
class Domain:
    """An EIP-712 domain: the contract that signatures are for."""

    name: str
    version: str
    chain_id: int
    verifying_contract: str

    @cached_property
    def separator(self) -> bytes:
        """32 bytes."""
        return _DOMAIN.hash(self.name, self.version, self.chain_id, self.verifying_contract)

    def digest(self, struct_hash: bytes) -> bytes:
        """The 32 bytes to sign."""
        return keccak256(b"\x19\x01" + self.separator + struct_hash)


def escrow_domain(chain_id: int, escrow: str) -> Domain:
    """The domain of receipts and settlements (docs/protocol.md section 5), as the constructor of
    contracts/InferenceEscrow.sol sets it. No other escrow or chain accepts them.
    """
    return Domain("TeeTee Escrow", "1", chain_id, escrow)


def registry_domain(chain_id: int, registry: str) -> Domain:
    """The domain of enrolments (docs/protocol.md section 3), as the constructor of
    contracts/ShardRegistry.sol sets it.
    """
    return Domain("TeeTee Registry", "1", chain_id, registry)
