# SPDX-License-Identifier: Apache-2.0
"""Writes protocol.json: the values that Solidity and Python must agree on, from fixed inputs.

    python tests/vectors/generate_protocol.py [--check]

One object per subject; bytes and addresses as hex with 0x, numbers as decimal strings, which no
language rounds. Sealing uses random keys and nonces, so the file's envelope and answer stay if they
can still be opened; everything else follows from the inputs.
"""

import json
import sys
from pathlib import Path

from eth_account import Account

from teetee.errors import TeeTeeError
from teetee.protocol.answer import Answer
from teetee.protocol.commitments import RunningCommitment, encode_token_ids
from teetee.protocol.envelope import open_answer, open_prompt, seal_answer, seal_prompt
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.keyset import (
    ENROLMENT_TYPEHASH,
    IDENTITY_TYPEHASH,
    QUOTE_REQUEST_TYPEHASH,
    REPORT_TYPEHASH,
    EnclaveIdentity,
    Keyset,
    enrolment_digest,
    quote_request_digest,
    report_data,
)
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from teetee.protocol.prompt import Message, Prompt, Sampling
from teetee.protocol.receipts import (
    NO_PREVIOUS_RECEIPT,
    SETTLEMENT_TYPEHASH,
    STAGE_RECEIPT_TYPEHASH,
    Settlement,
    StageReceipt,
)
from teetee.protocol.request_secret import ENVELOPE_TYPEHASH, RequestContext, RequestSecret
from teetee.protocol.sealing.key import SealingPrivateKey
from teetee.protocol.signatures import sign_digest
from teetee.protocol.typed_data import escrow_domain, keccak256

FILE = Path(__file__).with_name("protocol.json")
CHAIN_ID = 84532
MODEL = ModelId(7)
REQUEST = RequestId(1234)
ENTRY_SHARD = ShardId(3)
Vector = dict[str, object]


def _fixed(name: str) -> bytes:
    """32 bytes derived from a name."""
    return keccak256(b"teetee vector: " + name.encode())


SIGNER = Account.from_key(_fixed("entry signer"))
KEM_SEED = _fixed("entry kem")
KEM = SealingPrivateKey.from_seed(KEM_SEED)
REGISTRY = Account.from_key(_fixed("registry")).address
ESCROW = Account.from_key(_fixed("escrow")).address
HOST = Account.from_key(_fixed("host")).address
PAYOUT = Account.from_key(_fixed("payout")).address
REQUESTER = Account.from_key(_fixed("requester")).address
DOMAIN = escrow_domain(CHAIN_ID, ESCROW)
CONTEXT = RequestContext(CHAIN_ID, ESCROW, REQUESTER, MODEL, _fixed("client nonce"))
SECRET = RequestSecret(_fixed("request secret"))
PROMPT = Prompt(
    (Message("system", "Answer briefly."), Message("user", "Was ist ein „Enklave“? 🔒")),
    Sampling(max_tokens=64, temperature=0.7, top_p=0.9, top_k=40, seed=5, stop=("\n\n",)),
)
ANSWER = Answer(
    "A sealed room.",
    (319, 8457, 2003, 2),
    "stop",
    input_tokens=21,
    output_tokens=4,
    earlier_shards=(ShardId(11), ShardId(12)),
)
MANIFEST = ModelManifest(
    name="vector-model",
    layer_count=6,
    config_digest=_fixed("config"),
    layer_digests=tuple(_fixed(f"layer {layer}") for layer in range(6)),
    embedding_digest=_fixed("embedding"),
    head_digest=_fixed("head"),
    context_length=2048,
)
LAYERS = LayerRange(2, 5)
IDENTITY = EnclaveIdentity(
    chain_id=CHAIN_ID,
    registry=REGISTRY,
    host=HOST,
    model_id=MODEL,
    layers=LAYERS,
    is_entry=True,
    slice_digest=MANIFEST.slice_digest(LAYERS, is_entry=True),
    keyset=Keyset(SIGNER.address, KEM.public_key.digest, _fixed("tls")),
)
BLOCK_NUMBER, BLOCK_HASH = 31_337_000, _fixed("block")
ENDPOINT = "shard.example.org:8443"
TOKEN_IDS = (1, 319, 2003)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def slice_vector() -> Vector:
    """Slice digests of one model of six layers."""
    return {
        "layerDigests": [_hex(digest) for digest in MANIFEST.layer_digests],
        "embeddingDigest": _hex(MANIFEST.embedding_digest),
        "headDigest": _hex(MANIFEST.head_digest),
        "firstLayer": "2",
        "endLayer": "5",
        "middleSliceDigest": _hex(MANIFEST.slice_digest(LayerRange(2, 5), is_entry=False)),
        "entrySliceDigest": _hex(MANIFEST.slice_digest(LayerRange(2, 5), is_entry=True)),
        "wholeSliceDigest": _hex(MANIFEST.slice_digest(LayerRange(0, 6), is_entry=True)),
    }


def identity_vector() -> Vector:
    """One enclave's identity and its digest."""
    fields = {
        name: str(value) if type(value) is int else value
        for name, value in IDENTITY.to_json().items()
    }
    digest = IDENTITY.identity_digest()
    return {"typeHash": _hex(IDENTITY_TYPEHASH), **fields, "identityDigest": _hex(digest)}


def report_vector() -> Vector:
    """The report data of the identity's quote."""
    identity = IDENTITY.identity_digest()
    return {
        "typeHash": _hex(REPORT_TYPEHASH),
        "identityDigest": _hex(identity),
        "blockNumber": str(BLOCK_NUMBER),
        "blockHash": _hex(BLOCK_HASH),
        "reportData": _hex(report_data(identity, BLOCK_NUMBER, BLOCK_HASH)),
    }


def enrolment_vector() -> Vector:
    """The identity's signed enrolment."""
    identity = IDENTITY.identity_digest()
    digest = enrolment_digest(
        chain_id=CHAIN_ID,
        registry=REGISTRY,
        identity_digest=identity,
        endpoint=ENDPOINT,
        payout=PAYOUT,
        block_number=BLOCK_NUMBER,
    )
    signature = sign_digest(SIGNER, digest)
    return {
        "typeHash": _hex(ENROLMENT_TYPEHASH),
        "chainId": str(CHAIN_ID),
        "registry": REGISTRY,
        "identityDigest": _hex(identity),
        "endpoint": ENDPOINT,
        "payout": PAYOUT,
        "blockNumber": str(BLOCK_NUMBER),
        "digest": _hex(digest),
        "signerPrivateKey": _hex(_fixed("entry signer")),
        "signer": IDENTITY.keyset.signer,
        "r": _hex(signature.r),
        "vs": _hex(signature.vs),
    }


def quote_request_vector() -> Vector:
    """What the host's wallet signs when it asks its enclave for a quote."""
    digest = quote_request_digest(
        chain_id=CHAIN_ID,
        registry=REGISTRY,
        block_number=BLOCK_NUMBER,
        block_hash=BLOCK_HASH,
        endpoint=ENDPOINT,
        payout=PAYOUT,
    )
    return {
        "typeHash": _hex(QUOTE_REQUEST_TYPEHASH),
        "chainId": str(CHAIN_ID),
        "registry": REGISTRY,
        "blockNumber": str(BLOCK_NUMBER),
        "blockHash": _hex(BLOCK_HASH),
        "endpoint": ENDPOINT,
        "payout": PAYOUT,
        "digest": _hex(digest),
    }


def envelope_vectors(sealed: bytes, answer: bytes) -> dict[str, Vector]:
    """The request's context, the keys derived from its secret, the sealed prompt and answer."""
    return {
        "context": {
            "typeHash": _hex(ENVELOPE_TYPEHASH),
            "chainId": str(CHAIN_ID),
            "escrow": ESCROW,
            "requester": REQUESTER,
            "modelId": str(MODEL),
            "clientNonce": _hex(CONTEXT.client_nonce),
            "context": _hex(CONTEXT.digest()),
        },
        "derivation": {
            "secret": _hex(SECRET.value),
            "context": _hex(CONTEXT.digest()),
            "requestId": str(REQUEST),
            "promptKey": _hex(SECRET.prompt_key(CONTEXT)),
            "keyCommitment": _hex(SECRET.key_commitment(CONTEXT)),
            "answerKey": _hex(SECRET.answer_key(CONTEXT, REQUEST)),
            "streamProof": _hex(SECRET.stream_proof(CONTEXT, REQUEST)),
            "seed": str(SECRET.seed(CONTEXT)),
            "commitmentSalt0": _hex(SECRET.commitment_salt(CONTEXT, 0)),
            "commitmentSalt1": _hex(SECRET.commitment_salt(CONTEXT, 1)),
        },
        "envelope": {
            "shardId": str(ENTRY_SHARD),
            "kemSeed": _hex(KEM_SEED),
            "sealingKey": _hex(KEM.public_key.data),
            "kem": _hex(KEM.public_key.digest),
            "promptJson": PROMPT.to_json().decode(),
            "envelope": _hex(sealed),
        },
        "answer": {
            "requestId": str(REQUEST),
            "answerJson": ANSWER.to_json().decode(),
            "earlierShards": [str(shard_id) for shard_id in ANSWER.earlier_shards],
            "answer": _hex(answer),
        },
    }


def commitment_vector() -> Vector:
    """The commitment to the tokens of hop 0."""
    return {
        "salt": _hex(SECRET.commitment_salt(CONTEXT, 0)),
        "tokenIds": [str(token_id) for token_id in TOKEN_IDS],
        "data": _hex(encode_token_ids(TOKEN_IDS)),
        "commitment": _hex(_token_commitment()),
    }


def _token_commitment() -> bytes:
    commitment = RunningCommitment(SECRET.commitment_salt(CONTEXT, 0))
    commitment.update(encode_token_ids(TOKEN_IDS))
    return commitment.digest()


def _receipt() -> StageReceipt:
    return StageReceipt(
        request_id=REQUEST,
        model_id=MODEL,
        shard_id=ENTRY_SHARD,
        layers=LayerRange(0, 3),
        identity_digest=_fixed("identity"),
        first_position=0,
        end_position=ANSWER.input_tokens + ANSWER.output_tokens - 1,
        input_commitment=_token_commitment(),
        output_commitment=_fixed("output commitment"),
        previous_receipt=NO_PREVIOUS_RECEIPT,
    )


RECEIPT_DOMAIN: Vector = {"chainId": str(CHAIN_ID), "escrow": ESCROW, "signer": SIGNER.address}


def receipt_vector() -> Vector:
    """The entry's receipt."""
    receipt = _receipt()
    signed = receipt.sign(SIGNER, DOMAIN).to_json()
    fields = {name: str(value) if type(value) is int else value for name, value in signed.items()}
    return {
        **RECEIPT_DOMAIN,
        **fields,
        "typeHash": _hex(STAGE_RECEIPT_TYPEHASH),
        "structHash": _hex(receipt.struct_hash()),
        "digest": _hex(DOMAIN.digest(receipt.struct_hash())),
    }


def settlement_vector(sealed_answer: bytes) -> Vector:
    """The entry's settlement."""
    settlement = Settlement(
        REQUEST,
        REQUESTER,
        CONTEXT.nonce_prefix,
        ANSWER.input_tokens,
        ANSWER.output_tokens,
        keccak256(sealed_answer),
        _receipt().struct_hash(),
    )
    closing = settlement.sign(SIGNER, DOMAIN)
    return {
        **RECEIPT_DOMAIN,
        "typeHash": _hex(SETTLEMENT_TYPEHASH),
        "requestId": str(REQUEST),
        "requester": REQUESTER,
        "noncePrefix": _hex(settlement.nonce_prefix),
        "inputTokens": str(settlement.input_tokens),
        "outputTokens": str(settlement.output_tokens),
        "answerHash": _hex(settlement.answer_hash),
        "lastReceipt": _hex(settlement.last_receipt),
        "structHash": _hex(settlement.struct_hash()),
        "digest": _hex(DOMAIN.digest(settlement.struct_hash())),
        "r": _hex(closing.r),
        "vs": _hex(closing.vs),
    }


def _present(part: str) -> bytes:
    """The bytes at `part` of the present file; empty if there are none."""
    try:
        return bytes.fromhex(json.loads(FILE.read_text())[part][part][2:])
    except (OSError, ValueError, KeyError, TypeError):
        return b""


def sealed_envelope() -> bytes:
    """The envelope of the present file if it can be opened to the prompt, else a new one."""
    present = _present("envelope")
    try:
        if open_prompt(present, CONTEXT, ENTRY_SHARD, KEM) == (SECRET, PROMPT):
            return present
    except TeeTeeError:
        pass  # of an earlier protocol
    return seal_prompt(PROMPT, SECRET, CONTEXT, [(ENTRY_SHARD, KEM.public_key)])


def sealed_answer() -> bytes:
    """The answer of the present file if it can be opened to the answer, else a new one."""
    present = _present("answer")
    try:
        if open_answer(present, SECRET, CONTEXT, REQUEST) == ANSWER:
            return present
    except TeeTeeError:
        pass  # of an earlier protocol
    return seal_answer(ANSWER, SECRET, CONTEXT, REQUEST)


def render() -> str:
    """The whole file."""
    answer = sealed_answer()
    vectors: dict[str, Vector] = {
        "slice": slice_vector(),
        "identity": identity_vector(),
        "report": report_vector(),
        "enrolment": enrolment_vector(),
        "quoteRequest": quote_request_vector(),
        **envelope_vectors(sealed_envelope(), answer),
        "commitment": commitment_vector(),
        "stageReceipt": receipt_vector(),
        "settlement": settlement_vector(answer),
    }
    return json.dumps(vectors, indent=2, ensure_ascii=True) + "\n"


def main() -> int:
    """Write the file; with --check, only report whether it is current."""
    if "--check" in sys.argv[1:]:
        fresh = FILE.is_file() and FILE.read_text() == render()
        if not fresh:
            sys.stderr.write(f"{FILE} is stale: run python {Path(__file__).name}\n")
        return 0 if fresh else 1
    FILE.write_text(render())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
