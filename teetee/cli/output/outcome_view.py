# SPDX-License-Identifier: Apache-2.0
"""How a request ended, for people and as JSON."""

from __future__ import annotations

from typing import Any

from teetee.chain.types.requests import DeclineReason, RequestDeclined
from teetee.cli.output.formats import shard_names
from teetee.cli.output.printer import Printer
from teetee.client.amounts import round_amount
from teetee.client.requests.await_answer import Answered, Outcome, Unanswered
from teetee.client.verification.report import VerificationReport
from teetee.protocol.answer import Answer

WHY_DECLINED = {
    DeclineReason.UNREADABLE: "the entry could not decrypt the prompt",
    DeclineReason.INVALID: "the prompt is invalid, or longer than what was paid for",
    DeclineReason.NO_PATH: "it could not reach shards for every layer",
    DeclineReason.OVERLOADED: "it had no capacity before the deadline",
    DeclineReason.STOPPING: "the enclave is shutting down",
}
ADVICE = {
    DeclineReason.UNREADABLE: "Ask again with another entry: see `teetee shards`.",
    DeclineReason.INVALID: "Shorten or change the question; raise --max-input-tokens, if set.",
    DeclineReason.NO_PATH: "See which shards answer: `teetee shards --probe`. Then ask again.",
    DeclineReason.OVERLOADED: "Ask again in a minute, or with a later --deadline.",
    DeclineReason.STOPPING: "Ask again; with --recipients 2, another entry takes over.",
}
RETRY_MAY_HELP = {DeclineReason.NO_PATH, DeclineReason.OVERLOADED, DeclineReason.STOPPING}
CREDIT = ", which pays for your next request (`teetee wallet withdraw` returns it)"


def print_outcome(printer: Printer, outcome: Outcome, max_tokens: int | None) -> None:
    """Usage and cost; or why there is no answer, and what to do. `max_tokens`: if it is known."""
    if isinstance(outcome, Unanswered):
        printer.fail(_why(outcome))
        return
    answer = outcome.answer
    usage = f"{answer.input_tokens} tokens in, {answer.output_tokens} out{_cut(answer, max_tokens)}"
    printer.say(f"request {outcome.request_id}: {usage}; {_cost(outcome)}", "dim")
    if answer.earlier_shards:
        printer.say(
            f"Runs of this request broke over {shard_names(answer.earlier_shards)}, which may have"
            " had its hidden states.",
            "dim",
        )
    if not outcome.usage_agrees:
        printer.warn("The answer names other token counts than the settlement that was paid.")
    if outcome.stream_agrees is False:
        printer.warn("The streamed text differs from the chain's answer; the chain's is printed.")


def _cut(answer: Answer, max_tokens: int | None) -> str:
    if answer.finish_reason == "stop":
        return ""
    if max_tokens is None:
        return " (cut at --max-tokens, or for time)"
    if answer.output_tokens < max_tokens:
        # Or its context or its 64 KiB are full, which few answers reach.
        return " (cut for time: a later --deadline gives more)"
    return " (cut at --max-tokens)"


def _cost(outcome: Answered) -> str:
    settled = outcome.settled
    if not outcome.request.deposit:
        return "free"
    refund = f", refund {round_amount(settled.refund)} as credit" if settled.refund else ""
    return f"cost {round_amount(settled.cost)}{refund}"


def _why(outcome: Unanswered) -> str:
    ended, number = outcome.ended, outcome.request_id
    refund = f" {round_amount(ended.refund)} is refunded as credit{CREDIT}." if ended.refund else ""
    if isinstance(ended, RequestDeclined):
        return (
            f"Shard {ended.shard_id} declined request {number}: {WHY_DECLINED[ended.reason]}."
            f"{refund} {ADVICE[ended.reason]}"
        )
    penalty = (
        f" A penalty of {round_amount(ended.penalty)} is paid on top." if ended.penalty else ""
    )
    return (
        f"Request {number} got no answer before its deadline.{refund}{penalty} "
        "Ask again, with more --recipients or a later --deadline."
    )


def outcome_json(
    outcome: Outcome, report: VerificationReport | None, gas_used: int | None
) -> dict[str, Any]:
    """Amounts are decimal strings of wei. This holds the answer."""
    request = outcome.request
    value: dict[str, Any] = {
        "requestId": outcome.request_id,
        "status": request.status.name,
        "modelId": request.model_id,
        "recipients": list(request.recipients),
        "deposit": str(request.deposit),
        "gasUsed": gas_used,
    }
    value |= _answer_json(outcome) if isinstance(outcome, Answered) else _refund_json(outcome)
    value["verified"] = None if report is None else report.verified
    value["verification"] = None if report is None else report.to_json()
    return value


def _answer_json(outcome: Answered) -> dict[str, Any]:
    answer, settled = outcome.answer, outcome.settled
    return {
        "answer": answer.text,
        "tokenIds": list(answer.token_ids),
        "finishReason": answer.finish_reason,
        "earlierShards": list(answer.earlier_shards),
        "inputTokens": answer.input_tokens,
        "outputTokens": answer.output_tokens,
        "cost": str(settled.cost),
        "refund": str(settled.refund),
        "penalty": "0",
        "usageAgrees": outcome.usage_agrees,
        "streamAgrees": outcome.stream_agrees,
        "settlementTransaction": settled.transaction_hash,
    }


def _refund_json(outcome: Unanswered) -> dict[str, Any]:
    ended = outcome.ended
    return {
        "answer": None,
        "declineReason": ended.reason.name if isinstance(ended, RequestDeclined) else None,
        "cost": "0",
        "refund": str(ended.refund),
        "penalty": "0" if isinstance(ended, RequestDeclined) else str(ended.penalty),
        "settlementTransaction": ended.transaction_hash,
    }
