# SPDX-License-Identifier: Apache-2.0
"""How a request ended, for people and machines, and the exit code that follows from it."""

from __future__ import annotations

from typing import Any

from teetee.chain.types.requests import Declined, DeclineReason
from teetee.cli.output.printer import Printer
from teetee.cli.session import FAILED, TEMPORARY
from teetee.client.amounts import format_amount
from teetee.client.requests.await_answer import Answered, Outcome, Unanswered
from teetee.client.verification.report import VerificationReport

WHY_DECLINED = {
    DeclineReason.UNREADABLE: "the entry could not open the envelope",
    DeclineReason.INVALID: "the prompt is not valid, or longer than was paid for or fits",
    DeclineReason.NO_PATH: "no whole path of shards could be reached",
    DeclineReason.OVERLOADED: "there was no room before the deadline",
    DeclineReason.STOPPING: "the enclave is about to stop",
}
# The others would end the same way again.
WORTH_ANOTHER_TRY = {DeclineReason.NO_PATH, DeclineReason.OVERLOADED, DeclineReason.STOPPING}


def exit_code(outcome: Outcome) -> int:
    """0 for an answer, 75 where asking again may help, else 1."""
    if isinstance(outcome, Answered):
        return 0
    if isinstance(outcome.ended, Declined) and outcome.ended.reason not in WORTH_ANOTHER_TRY:
        return FAILED
    return TEMPORARY


def print_money(printer: Printer, outcome: Outcome) -> None:
    """What it cost and what came back, and why there is no answer if there is none."""
    if isinstance(outcome, Answered):
        answer, settled = outcome.answer, outcome.settled
        cut = "" if answer.finish_reason == "stop" else ", cut at the limit (--max-tokens)"
        printer.say(
            f"request {outcome.request_id}: {answer.input_tokens} + {answer.output_tokens} "
            f"tokens{cut}, cost {format_amount(settled.cost)}, {format_amount(settled.refund)} "
            "came back",
            "dim",
        )
        if not outcome.usage_agrees:
            printer.warn("The answer names other token counts than those that were paid for.")
        if outcome.stream_agrees is False:
            printer.warn("What was streamed is not what the chain holds; the chain counts.")
        return
    printer.fail(_why(outcome))


def _why(outcome: Unanswered) -> str:
    ended = outcome.ended
    back = f"{format_amount(ended.refund)} came back to your account with the escrow"
    if isinstance(ended, Declined):
        advice = "Ask again." if ended.reason in WORTH_ANOTHER_TRY else "Change the question."
        return (
            f"Request {outcome.request_id} was declined by shard {ended.shard_id}: "
            f"{WHY_DECLINED[ended.reason]}. {back}. {advice}"
        )
    penalty = f", with a penalty of {format_amount(ended.penalty)}" if ended.penalty else ""
    return (
        f"Request {outcome.request_id} got no answer before its deadline. {back}{penalty}. "
        "Ask again, with more --recipients or a later --deadline."
    )


def outcome_json(
    outcome: Outcome, audit: VerificationReport | None, gas_used: int | None
) -> dict[str, Any]:
    """Amounts are decimal strings of wei. The answer is here and nowhere else."""
    request = outcome.request
    value: dict[str, Any] = {
        "requestId": outcome.request_id,
        "status": request.status.name,
        "modelId": request.model_id,
        "recipients": list(request.recipients),
        "deposit": str(request.deposit),
        "gasUsed": gas_used,
    }
    if isinstance(outcome, Answered):
        answer, settled = outcome.answer, outcome.settled
        value |= {
            "answer": answer.text,
            "tokenIds": list(answer.token_ids),
            "finishReason": answer.finish_reason,
            "inputTokens": answer.input_tokens,
            "outputTokens": answer.output_tokens,
            "cost": str(settled.cost),
            "refund": str(settled.refund),
            "penalty": "0",
            "usageAgrees": outcome.usage_agrees,
            "streamAgrees": outcome.stream_agrees,
            "settlementTransaction": settled.transaction_hash,
        }
    else:
        ended = outcome.ended
        value |= {
            "answer": None,
            "declineReason": ended.reason.name if isinstance(ended, Declined) else None,
            "cost": "0",
            "refund": str(ended.refund),
            "penalty": "0" if isinstance(ended, Declined) else str(ended.penalty),
            "settlementTransaction": ended.transaction_hash,
        }
    value["verified"] = None if audit is None else audit.verified
    value["verification"] = None if audit is None else audit.to_json()
    return value
