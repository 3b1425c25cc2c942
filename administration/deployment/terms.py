# SPDX-License-Identifier: Apache-2.0
"""The terms of a deployment: the constructors' arguments, which never change, and the delays of the
roles.

Amounts in token wei, times in seconds, shares in 1/10000, allowances in LLM tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import click

from administration.errors import TermsInvalid
from administration.option_types import AMOUNT, BASIS_POINTS, DURATION, ParamType, duration_text
from teetee.client.amounts import format_amount
from teetee.protocol.envelope import MAX_ENVELOPE_BYTES

TEE = 10**18
MINUTE, HOUR, DAY = 60, 3600, 86400
MAX_SUPPLY = (1 << 96) - 1
MIN_LIVE_DELAY = 2 * DAY


def _term(kind: ParamType, meaning: str) -> Any:
    return field(metadata={"kind": kind, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Each field is an option of `ape run deploy` under its name."""

    cap: int = _term(AMOUNT, "The token's total supply.")
    faucet_reserve: int = _term(AMOUNT, "Part of the supply that anyone can claim from.")
    faucet_amount: int = _term(AMOUNT, "Tokens per claim; 0: no faucet.")
    faucet_interval: int = _term(DURATION, "Time between two claims of one account; 0: no faucet.")
    bond: int = _term(AMOUNT, "Tokens that a host deposits per shard.")
    attestation_period: int = _term(DURATION, "How long one quote keeps a shard attested.")
    unbonding_period: int = _term(DURATION, "From a shard's retirement to the release of its bond.")
    fee_bps: int = _term(BASIS_POINTS, "The treasury's share of each cost, in 1/10000.")
    penalty: int = _term(AMOUNT, "Taken from the primary's bond for a missed deadline.")
    min_window: int = _term(DURATION, "Shortest time between a request and its deadline.")
    max_window: int = _term(DURATION, "Longest time between a request and its deadline.")
    max_envelope_bytes: int = _term(click.INT, "Maximum size of an envelope and of an answer.")
    daily_tokens: int = _term(click.INT, "Free LLM tokens per day for the host of a whole model.")
    served_bps: int = _term(BASIS_POINTS, "Share of all served tokens added to it, in 1/10000.")
    max_daily_tokens: int = _term(click.INT, "Upper limit of a host's allowance.")
    admin_delay: int = _term(DURATION, "Notice that the admin has to give.")
    notice_delay: int = _term(DURATION, "Notice for images, raised prices, platforms and policies.")


LOCAL = Terms(
    cap=1_000_000_000 * TEE,
    faucet_reserve=100_000_000 * TEE,
    faucet_amount=1_000 * TEE,
    faucet_interval=MINUTE,
    bond=100 * TEE,
    attestation_period=7 * DAY,
    unbonding_period=2 * HOUR,
    fee_bps=250,
    penalty=1 * TEE,
    min_window=10,
    max_window=HOUR,
    max_envelope_bytes=MAX_ENVELOPE_BYTES,
    daily_tokens=200_000,
    served_bps=100,
    max_daily_tokens=2_000_000,
    admin_delay=5,
    notice_delay=5,
)
SEPOLIA = replace(
    LOCAL,
    faucet_interval=DAY,
    unbonding_period=7 * DAY,
    min_window=MINUTE,
    admin_delay=MIN_LIVE_DELAY,
    notice_delay=MIN_LIVE_DELAY,
)
MAINNET = replace(SEPOLIA, faucet_reserve=0, faucet_amount=0, faucet_interval=0, bond=1_000 * TEE)

DEFAULTS = {"base-local": LOCAL, "base-sepolia": SEPOLIA, "base-mainnet": MAINNET}


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command an option for each term."""
    for term in reversed(fields(Terms)):
        kind = term.metadata["kind"]
        values = [_shown(kind, getattr(terms, term.name)) for terms in DEFAULTS.values()]
        default = values[0] if len(set(values)) == 1 else ", ".join(values)
        command = click.option(
            f"--{term.name.replace('_', '-')}",
            type=kind,
            help=f"{term.metadata['meaning']}  [default: {default}]",
        )(command)
    return command


def terms_for(network: str, given: dict[str, int | None]) -> Terms:
    """The network's terms with the given ones applied. Raises `TermsInvalid`.

    Checks only what the contracts do not check themselves.
    """
    terms = replace(DEFAULTS[network], **{k: v for k, v in given.items() if v is not None})
    if terms.cap > MAX_SUPPLY:
        raise TermsInvalid("cap", "is more than the escrow can credit (2^96 - 1 wei)")
    if terms.penalty > terms.bond:
        raise TermsInvalid("penalty", "is more than the bond that it is taken from")
    for name in ("admin_delay", "notice_delay"):
        require_promised_notice(name, getattr(terms, name), network)
    return terms


def require_promised_notice(term: str, seconds: int, network: str) -> None:
    """Raises `TermsInvalid` for less than 2 days, except on a local chain."""
    if network != "base-local" and seconds < MIN_LIVE_DELAY:
        raise TermsInvalid(term, "is shorter than the 2 days that users are promised")


def _shown(kind: ParamType, value: int) -> str:
    if kind is AMOUNT:
        return format_amount(value)
    return duration_text(value) if kind is DURATION else str(value)
