# SPDX-License-Identifier: Apache-2.0
"""The process's one sender: it owns the nonces of the enclave's signer. Two senders with one key
would give one nonce twice, and the dearer transaction would replace the other.
"""

from eth_account.signers.local import LocalAccount
from structlog.typing import FilteringBoundLogger

from oracle.operations.gauges import expose_sender, record_sending
from oracle.operations.metrics import Metrics
from oracle.process.settings import Settings
from teetee.chain.connection import Connection
from teetee.chain.transactions.events import SendingEvent, SendingStep
from teetee.chain.transactions.fee_policy import SendingPolicy
from teetee.chain.transactions.sender import TransactionSender

WEI_PER_GWEI = 10**9

RAISES_WITHIN_MARGIN = 4
_RAISE_PERCENT = 50
_MIN_RESEND_SECONDS = 1.0
_MAX_POLL_SECONDS = 1.0

_TEXTS = {
    SendingStep.RAISED: "transaction raised",
    SendingStep.REVERTED: "transaction reverted",
    SendingStep.REPLACED: "transaction replaced",
    SendingStep.GIVEN_UP: "transaction given up",
}


def sending_policy(settings: Settings) -> SendingPolicy:
    """A decline that is sent when the decline margin begins has offered the limit, and had a fifth
    of the margin to be included, before the deadline. So has any call before it is given up.
    """
    span_seconds = min(settings.decline_margin_seconds, settings.settle_timeout_seconds)
    resend_seconds = span_seconds / (RAISES_WITHIN_MARGIN + 1)
    return SendingPolicy(
        resend_after_seconds=max(_MIN_RESEND_SECONDS, resend_seconds),
        reach_limit_seconds=resend_seconds * RAISES_WITHIN_MARGIN,
        raise_percent=_RAISE_PERCENT,
        give_up_after_seconds=settings.settle_timeout_seconds,
        max_fee_per_gas=int(settings.max_fee_gwei * WEI_PER_GWEI),
    )


def build_sender(
    settings: Settings,
    connection: Connection,
    signer: LocalAccount,
    *,
    metrics: Metrics,
    log: FilteringBoundLogger,
) -> TransactionSender:
    """Call it once in a process."""

    def report(event: SendingEvent) -> None:
        record_sending(metrics, event)
        if (text := _TEXTS.get(event.step)) is not None:
            gwei = round(event.fees.max_fee / WEI_PER_GWEI, 3)
            log.warning(text, kind=event.function, nonce=event.nonce, gwei=gwei)

    metrics.set("max_fee_gwei", settings.max_fee_gwei)
    sender = TransactionSender(
        connection,
        signer,
        policy=sending_policy(settings),
        is_sole_sender=True,
        poll_seconds=min(_MAX_POLL_SECONDS, settings.poll_seconds),
        on_event=report,
    )
    metrics.set_source("sender", expose_sender(metrics, sender))
    return sender
