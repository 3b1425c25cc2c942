# SPDX-License-Identifier: Apache-2.0
"""Complete, correct evidence for one settled request, signed by real keys; tests break one thing
in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from eth_account import Account
from eth_account.signers.local import LocalAccount

from teetee.chain.trusted_models import TrustedModel
from teetee.client.verification.enrolment_checks import identity_of
from teetee.client.verification.evidence import (
    EnrolmentEvidence,
    ModelEvidence,
    RequestEvidence,
    SettlementEvidence,
    ShareEvidence,
    StageEvidence,
)
from teetee.client.verification.money_checks import expected_split
from teetee.client.verification.outcome_checks import SettlementContext
from teetee.client.verification.receipt_checks import rebuild_receipts
from teetee.protocol.envelope import ANSWER_VERSION
from teetee.protocol.identifiers import RequestId
from teetee.protocol.keyset import report_data
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import Settlement
from teetee.protocol.typed_data import Domain, escrow_domain, keccak256
from teetee.quotes import layout
from teetee.quotes.claims import PckRecord, quote_hash
from teetee.quotes.errors import QuoteRefused
from teetee.quotes.tcb_status import TcbStatus

CONTEXT = SettlementContext(
    chain_id=84532,
    escrow="0x" + "11" * 20,
    registry="0x" + "22" * 20,
    fee_bps=250,
    trusted=None,
)
PCK = PckRecord(
    platform_id=bytes(32),
    component_svns=bytes(16),
    serial=1,
    fmspc=bytes(6),
    pce_id=bytes(2),
    pce_svn=11,
    authority_index=1,
    expires_at=2_000_000_000,
)
# The clear part of a sealed answer without earlier shards, and something for the rest.
SEALED_ANSWER = bytes([ANSWER_VERSION, 0]) + b"sealed answer"
OPENED_AT = 1_800_000_000
MODEL_ID = 3


def address(number: int) -> str:
    return str(Account.from_key(number.to_bytes(32)).address)


def word(text: str) -> bytes:
    return keccak256(text.encode())


@dataclass(frozen=True)
class Facts:
    tcb_status: str
    report_data: bytes
    measurement: bytes
    basis: str = "by the test"


class FakeQuotes:
    """Accepts the quotes it is given; records the times it is asked for."""

    def __init__(self, accepted: dict[bytes, Facts]) -> None:
        self.accepted = accepted
        self.asked: list[int] = []

    def check(self, core: bytes, pck_id: bytes, at: int) -> Facts:
        self.asked.append(at)
        if core not in self.accepted:
            raise QuoteRefused("a signature is wrong")
        return self.accepted[core]


@dataclass(frozen=True)
class Evidence:
    context: SettlementContext
    request: RequestEvidence
    model: ModelEvidence
    settlement: SettlementEvidence
    enrolments: dict[int, EnrolmentEvidence]
    quotes: FakeQuotes


def signer_of(shard_id: int) -> LocalAccount:
    account: LocalAccount = Account.from_key((1000 + shard_id).to_bytes(32))
    return account


def make_evidence(stages: int = 3, layers_per_stage: int = 4) -> Evidence:
    """A settled request of `stages` stages; the rounding of the payouts leaves dust."""
    request = make_request()
    model = make_model(stages * layers_per_stage)
    enrolments = {
        10 + index: make_enrolment(10 + index, index * layers_per_stage, layers_per_stage, model)
        for index in range(stages)
    }
    quotes = FakeQuotes(
        {
            each.quote_core: Facts(
                "UpToDate",
                report_data(each.identity_digest, each.block_number, each.chain_block_hash),
                each.measurement,
            )
            for each in enrolments.values()
        }
    )
    settlement = make_settlement(request, model, enrolments)
    trusted = TrustedModel(
        model_id=MODEL_ID,
        name=model.name,
        digest=model_digest(model),
        measurements=(word("image"),),
    )
    context = replace(CONTEXT, trusted=trusted)
    return Evidence(context, request, model, settlement, enrolments, quotes)


def make_request() -> RequestEvidence:
    return RequestEvidence(
        request_id=42,
        requester=address(7),
        model_id=MODEL_ID,
        status="SETTLED",
        opened_at=OPENED_AT,
        deadline=OPENED_AT + 120,
        max_input_tokens=100,
        max_output_tokens=50,
        input_price=7,
        output_price=13,
        deposit=100 * 7 + 50 * 13,
        recipients=(10, 99),
        nonce_prefix=b"\x01\x02\x03\x04",
    )


def make_model(layer_count: int) -> ModelEvidence:
    return ModelEvidence(
        model_id=MODEL_ID,
        name="Test",
        layer_digests=tuple(word(f"layer {index}") for index in range(layer_count)),
        embedding_digest=word("embedding"),
        head_digest=word("head"),
        royalty_bps=100,
        royalty_recipient=address(8),
        entry_layer_equivalents=2,
    )


def model_digest(model: ModelEvidence) -> bytes:
    return keccak256(b"".join([*model.layer_digests, model.embedding_digest, model.head_digest]))


def make_enrolment(
    shard_id: int, first: int, count: int, model: ModelEvidence
) -> EnrolmentEvidence:
    is_entry = first == 0
    digests = list(model.layer_digests[first : first + count])
    if is_entry:
        digests += [model.embedding_digest, model.head_digest]
    core = (layout.TDX_V4_START + word(f"quote {shard_id}") * 39)[: layout.CORE_BYTES]
    block_hash = word(f"block {shard_id}")
    bare = EnrolmentEvidence(
        shard_id=shard_id,
        model_id=MODEL_ID,
        host=address(500 + shard_id),
        layers=LayerRange(first, first + count),
        is_entry=is_entry,
        signer=str(signer_of(shard_id).address),
        kem=word(f"kem {shard_id}"),
        tls=word(f"tls {shard_id}"),
        slice_digest=keccak256(b"".join(digests)),
        identity_digest=bytes(32),
        quote_hash=quote_hash(core, PCK),
        measurement=word("image"),
        measurement_allowed=True,
        attested_from=OPENED_AT - 1000,
        attested_until=OPENED_AT + 100_000,
        left_at=0,
        block_number=5000 + shard_id,
        block_hash=block_hash,
        chain_block_hash=block_hash,
        endpoint="127.0.0.1:7443",
        quote_core=core,
        pck_id=word("pck"),
        pck=PCK,
        tcb_status=TcbStatus.UP_TO_DATE,
        evaluation_number=17,
        collateral_until=OPENED_AT + 50_000,
    )
    digest = identity_of(CONTEXT.chain_id, CONTEXT.registry, bare).identity_digest()
    return replace(bare, identity_digest=digest)


def make_settlement(
    request: RequestEvidence, model: ModelEvidence, enrolments: dict[int, EnrolmentEvidence]
) -> SettlementEvidence:
    """Signed by every stage, and by the first of them as the entry."""
    hops = [word(f"hop {index}") for index in range(len(enrolments) + 1)]
    unsigned = SettlementEvidence(
        transaction="0x" + "ab" * 32,
        block_number=6000,
        block_time=request.opened_at + 30,
        input_tokens=31,
        output_tokens=20,
        answer=SEALED_ANSWER,
        r=bytes(32),
        vs=bytes(32),
        stages=tuple(
            StageEvidence(shard_id, hops[index], hops[index + 1], bytes(32), bytes(32))
            for index, shard_id in enumerate(enrolments)
        ),
        event_tokens=(31, 20),
        event_answer=SEALED_ANSWER,
        last_receipt=bytes(32),
        cost=0,
        fee=0,
        royalty=0,
        refund=0,
        shares=(),
    )
    return pay(sign(unsigned, request, enrolments), request, model, enrolments)


def sign(
    settlement: SettlementEvidence,
    request: RequestEvidence,
    enrolments: dict[int, EnrolmentEvidence],
    domain: Domain | None = None,
) -> SettlementEvidence:
    """Return a copy with every signature renewed over the present values."""
    domain = domain or escrow_domain(CONTEXT.chain_id, CONTEXT.escrow)
    receipts = [each.receipt for each in rebuild_receipts(request, settlement, enrolments)]
    signed = [receipt.sign(signer_of(receipt.shard_id), domain) for receipt in receipts]
    last_receipt = receipts[-1].struct_hash()
    statement = Settlement(
        RequestId(request.request_id),
        request.requester,
        request.nonce_prefix,
        settlement.input_tokens,
        settlement.output_tokens,
        keccak256(settlement.answer),
        last_receipt,
    ).sign(signer_of(receipts[0].shard_id), domain)
    stages = tuple(
        replace(stage, r=each.r, vs=each.vs)
        for stage, each in zip(settlement.stages, signed, strict=True)
    )
    return replace(
        settlement, stages=stages, r=statement.r, vs=statement.vs, last_receipt=last_receipt
    )


def pay(
    settlement: SettlementEvidence,
    request: RequestEvidence,
    model: ModelEvidence,
    enrolments: dict[int, EnrolmentEvidence],
) -> SettlementEvidence:
    """Return a copy with the amounts that the rules give."""
    path = list(enrolments.values())
    money = expected_split(request, settlement, model, path, CONTEXT.fee_bps)
    shares = tuple(
        ShareEvidence(stage.shard_id, stage.host, amount, stage.quote_hash)
        for stage, amount in zip(path, money.hosts, strict=True)
    )
    return replace(
        settlement,
        cost=money.cost,
        fee=money.fee,
        royalty=money.royalty,
        refund=money.refund,
        shares=shares,
    )
