"""An enclave's answer to its host, kept in a file: question and answer of `teetee-enrol/1`
(docs/protocol.md section 7) in one JSON object.

So the machine with the host's key needs no way to the enclave, nor the other way round.
"""

import json
from pathlib import Path
from typing import Any

from scripts._errors import DocumentInvalid
from teetee.client.hosting.enclave_statement import EnclaveStatement, Occasion
from teetee.errors import FieldInvalid, SignatureInvalid
from teetee.protocol.identifiers import ModelId
from teetee.protocol.keyset import EnclaveIdentity, Keyset
from teetee.protocol.layers import LayerRange
from teetee.protocol.signatures import CompactSignature


def read_document(path: Path) -> tuple[Occasion, EnclaveStatement]:
    """What was asked, and what the enclave said. Raises `DocumentInvalid`."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        raise DocumentInvalid(str(path), "it is not readable JSON") from None
    if not isinstance(document, dict):
        raise DocumentInvalid(str(path), "it is not a JSON object")
    try:
        return _occasion(document), _statement(document)
    except KeyError as error:
        raise DocumentInvalid(str(path), f"{error.args[0]} is missing") from None
    except (ValueError, TypeError, AttributeError):
        raise DocumentInvalid(str(path), "a field is of another kind") from None
    except (FieldInvalid, SignatureInvalid) as error:
        raise DocumentInvalid(str(path), str(error)) from None


def write_document(path: Path, occasion: Occasion, statement: EnclaveStatement) -> None:
    """The reverse. Nothing in it is secret."""
    identity = statement.identity
    document = {
        "blockNumber": occasion.block_number,
        "blockHash": _hex(occasion.block_hash),
        "endpoint": occasion.endpoint,
        "payout": occasion.payout,
        "chainId": identity.chain_id,
        "registry": identity.registry,
        "host": identity.host,
        "modelId": identity.model_id,
        "firstLayer": identity.layers.first,
        "endLayer": identity.layers.end,
        "isEntry": identity.is_entry,
        "sliceDigest": _hex(identity.slice_digest),
        "signer": identity.keyset.signer,
        "kem": _hex(identity.keyset.kem),
        "tls": _hex(identity.keyset.tls),
        "quote": _hex(statement.quote),
        "signature": _hex(statement.signature.to_bytes()),
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def _occasion(document: dict[str, Any]) -> Occasion:
    return Occasion(
        block_number=_number(document["blockNumber"]),
        block_hash=_bytes(document["blockHash"]),
        endpoint=document["endpoint"],
        payout=document["payout"],
    )


def _statement(document: dict[str, Any]) -> EnclaveStatement:
    return EnclaveStatement(
        identity=EnclaveIdentity(
            chain_id=_number(document["chainId"]),
            registry=document["registry"],
            host=document["host"],
            model_id=ModelId(_number(document["modelId"])),
            layers=LayerRange(_number(document["firstLayer"]), _number(document["endLayer"])),
            is_entry=document["isEntry"] is True,
            slice_digest=_bytes(document["sliceDigest"]),
            keyset=Keyset(document["signer"], _bytes(document["kem"]), _bytes(document["tls"])),
        ),
        quote=_bytes(document["quote"]),
        signature=CompactSignature.from_bytes(_bytes(document["signature"])),
    )


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _bytes(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
