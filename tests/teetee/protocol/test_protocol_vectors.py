# SPDX-License-Identifier: Apache-2.0
"""tests/vectors/protocol.json, which Solidity and Python agree on.

given the committed vectors
    they should equal the generator's output
    when the same hashes are computed by eth_account's own EIP-712 and eth_abi
        they should be equal
    when the signatures are recovered, and the envelope and answer opened
        they should match the file
"""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_utils.crypto import keccak

from teetee.protocol.envelope import open_answer, open_prompt
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.keyset import enrolment_digest, report_data
from teetee.protocol.receipts import (
    SETTLEMENT_TYPEHASH,
    STAGE_RECEIPT_TYPEHASH,
    SignedReceipt,
)
from teetee.protocol.request_secret import RequestContext, RequestSecret
from teetee.protocol.sealing.key import SealingPrivateKey
from teetee.protocol.signatures import CompactSignature
from teetee.protocol.typed_data import escrow_domain

FILE = Path(__file__).parents[2] / "vectors" / "protocol.json"
VECTORS: dict[str, dict[str, Any]] = json.loads(FILE.read_text())


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def typed_digest(
    domain_name: str, contract: str, chain_id: str, struct: str, values: dict[str, Any]
) -> bytes:
    """By eth_account, from the struct's signature."""
    name, fields = struct.rstrip(")").split("(")
    members = [
        dict(zip(("type", "name"), field.split(" "), strict=True)) for field in fields.split(",")
    ]
    data = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            name: members,
        },
        "primaryType": name,
        "domain": {
            "name": domain_name,
            "version": "1",
            "chainId": int(chain_id),
            "verifyingContract": contract,
        },
        "message": {
            member["name"]: int(values[member["name"]])
            if member["type"].startswith("uint")
            else values[member["name"]]
            for member in members
        },
    }
    return bytes(_hash_eip191_message(encode_typed_data(full_message=data)))


ENROLMENT = "Enrolment(bytes32 identityDigest,string endpoint,address payout,uint256 blockNumber)"
RECEIPT = (
    "StageReceipt(uint256 requestId,uint32 modelId,uint32 shardId,uint16 firstLayer,"
    "uint16 endLayer,bytes32 identityDigest,uint32 firstPosition,uint32 endPosition,"
    "bytes32 inputCommitment,bytes32 outputCommitment,bytes32 previousReceipt)"
)
SETTLEMENT = (
    "Settlement(uint256 requestId,address requester,bytes4 noncePrefix,uint32 inputTokens,"
    "uint32 outputTokens,bytes32 answerHash,bytes32 lastReceipt)"
)


def test_vectors__by_the_generator__are_fresh() -> None:
    generator = FILE.with_name("generate_protocol.py")
    subprocess.run(
        [sys.executable, str(generator), "--check"],
        check=True,
        cwd=FILE.parents[2],
        env={"PYTHONPATH": str(FILE.parents[2])},
    )


@pytest.mark.parametrize(
    ("part", "domain", "contract", "struct"),
    [
        ("enrolment", "TeeTee Registry", "registry", ENROLMENT),
        ("stageReceipt", "TeeTee Escrow", "escrow", RECEIPT),
        ("settlement", "TeeTee Escrow", "escrow", SETTLEMENT),
    ],
)
def test_digests__by_another_implementation_of_eip_712__are_equal(
    part: str, domain: str, contract: str, struct: str
) -> None:
    vector = VECTORS[part]
    digest = typed_digest(domain, vector[contract], vector["chainId"], struct, vector)
    assert digest == raw(vector["digest"])
    signature = CompactSignature(raw(vector["r"]), raw(vector["vs"]))
    assert signature.recover(digest) == vector["signer"]
    assert Account._recover_hash(digest, signature=signature.to_rsv()) == vector["signer"]


def test_type_hashes__of_receipts__are_those_of_the_page() -> None:
    assert keccak(text=RECEIPT) == STAGE_RECEIPT_TYPEHASH
    assert keccak(text=SETTLEMENT) == SETTLEMENT_TYPEHASH


def test_identity__by_abi_encoding_as_solidity_does__is_equal() -> None:
    vector = VECTORS["identity"]
    kinds = ["bytes32", "uint256", "address", "address", "uint32", "uint16", "uint16", "bool"]
    kinds += ["bytes32", "address", "bytes32", "bytes32"]
    signature = (
        "TeeTeeIdentity(uint256 chainId,address registry,address host,uint32 modelId,"
        "uint16 firstLayer,uint16 endLayer,bool isEntry,bytes32 sliceDigest,address signer,"
        "bytes32 kem,bytes32 tls)"
    )
    values = [
        keccak(text=signature),
        int(vector["chainId"]),
        vector["registry"],
        vector["host"],
        int(vector["modelId"]),
        int(vector["firstLayer"]),
        int(vector["endLayer"]),
        vector["isEntry"],
        raw(vector["sliceDigest"]),
        vector["signer"],
        raw(vector["kem"]),
        raw(vector["tls"]),
    ]
    assert keccak(encode(kinds, values)) == raw(vector["identityDigest"])
    report = VECTORS["report"]
    expected = raw(report["reportData"])
    given = (raw(report["identityDigest"]), int(report["blockNumber"]), raw(report["blockHash"]))
    assert report_data(*given) == expected
    assert len(expected) == 64
    assert expected[32:] == bytes(32)


def test_slices__by_packing_as_solidity_does__are_equal() -> None:
    vector = VECTORS["slice"]
    layers = [raw(digest) for digest in vector["layerDigests"][2:5]]
    ends = [raw(vector["embeddingDigest"]), raw(vector["headDigest"])]
    assert keccak(b"".join(layers)) == raw(vector["middleSliceDigest"])
    assert keccak(b"".join(layers + ends)) == raw(vector["entrySliceDigest"])


def test_envelope__with_the_key_of_the_file__opens_to_its_prompt() -> None:
    vector, bound = VECTORS["envelope"], VECTORS["context"]
    context = RequestContext(
        int(bound["chainId"]),
        bound["escrow"],
        bound["requester"],
        ModelId(int(bound["modelId"])),
        raw(bound["clientNonce"]),
    )
    assert context.digest() == raw(bound["context"])
    key = SealingPrivateKey.from_seed(raw(vector["kemSeed"]))
    assert key.public_key.data == raw(vector["sealingKey"])
    assert sha256(raw(vector["sealingKey"])).digest() == raw(vector["kem"])
    assert key.public_key.digest == raw(vector["kem"])
    secret, prompt = open_prompt(
        raw(vector["envelope"]), context, ShardId(int(vector["shardId"])), key
    )
    assert prompt.to_json().decode() == vector["promptJson"]
    assert secret == RequestSecret(raw(VECTORS["derivation"]["secret"]))
    answer = VECTORS["answer"]
    opened = open_answer(
        raw(answer["answer"]), secret, context, RequestId(int(answer["requestId"]))
    )
    assert opened.to_json().decode() == answer["answerJson"]


def test_receipt__of_another_request_chain_or_escrow__recovers_to_another_signer() -> None:
    vector = VECTORS["stageReceipt"]
    numbers = ("modelId", "shardId", "firstLayer", "endLayer", "firstPosition", "endPosition")
    value = vector | {name: int(vector[name]) for name in numbers}
    domain = escrow_domain(int(vector["chainId"]), vector["escrow"])
    assert SignedReceipt.from_json(value).recover(domain) == vector["signer"]
    others = [
        SignedReceipt.from_json(value | {"requestId": "1"}).recover(domain),
        SignedReceipt.from_json(value).recover(escrow_domain(1, vector["escrow"])),
        SignedReceipt.from_json(value).recover(
            escrow_domain(int(vector["chainId"]), "0x" + "11" * 20)
        ),
    ]
    assert vector["signer"] not in others


def test_enrolment__of_another_host_page__has_another_digest() -> None:
    vector = VECTORS["enrolment"]
    given = {
        "chain_id": int(vector["chainId"]),
        "registry": vector["registry"],
        "identity_digest": raw(vector["identityDigest"]),
        "endpoint": vector["endpoint"],
        "payout": vector["payout"],
        "block_number": int(vector["blockNumber"]),
    }
    assert enrolment_digest(**given) == raw(vector["digest"])
    assert enrolment_digest(**(given | {"endpoint": "other:1"})) != raw(vector["digest"])
