# SPDX-License-Identifier: Apache-2.0
"""A policy field by field: its option, its text, and which of two values is looser.

contracts/registry/ModelAdministration.sol decides what is looser; it is repeated here only so that
a refusal can name the field.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from administration.option_types import ACCEPTABLE_STATUSES, BYTES8, DURATION, STATUS, duration_text
from teetee.chain.types.policies import AttestationPolicy
from teetee.quotes.attributes import TD_ATTRIBUTES, XFAM, flag_names
from teetee.quotes.tcb_status import TcbStatus

Option = Callable[..., Any]

_STATUSES = ", ".join(status.intel_name for status in ACCEPTABLE_STATUSES)


@dataclass(frozen=True)
class PolicyField:
    """One member of AttestationPolicy."""

    name: str
    """The attribute of `AttestationPolicy`, and the option's parameter."""
    label: str
    option: Option
    text: Callable[[Any], str]
    is_looser: Callable[[Any, Any], bool]
    """Whether the second value accepts more than the first."""


@dataclass(frozen=True)
class Change:
    """One field in which two policies differ."""

    label: str
    before: str
    after: str
    is_looser: bool

    def __str__(self) -> str:
        return f"{self.label}: {self.before} → {self.after}"


def wanted_policy(present: AttestationPolicy, given: Mapping[str, Any]) -> AttestationPolicy:
    """The present policy with the given options applied; a value of equal meaning stays."""
    values = {field.name: getattr(present, field.name) for field in FIELDS}
    for field in FIELDS:
        value = given[field.name]
        if field.name == "accepted":
            value = frozenset(value) or None
        if value is not None and field.text(value) != field.text(values[field.name]):
            values[field.name] = value
    return AttestationPolicy(**values)


def changes(present: AttestationPolicy, wanted: AttestationPolicy) -> Iterator[Change]:
    """The differing fields, in the order of the struct."""
    for field in FIELDS:
        before, after = getattr(present, field.name), getattr(wanted, field.name)
        if before != after:
            looser = field.is_looser(before, after)
            yield Change(field.label, field.text(before), field.text(after), looser)


def described(policy: AttestationPolicy) -> Iterator[tuple[str, str]]:
    """Each field's label and value."""
    for field in FIELDS:
        yield field.label, field.text(getattr(policy, field.name))


def in_short(policy: AttestationPolicy) -> str:
    """The accepted statuses; of the other fields, those that ask for more than a new model."""
    best, *others = _in_order(policy.accepted) or ["nothing"]
    parts = [f"{best} +{len(others)}" if others else best]
    if policy.minimum_evaluation_number:
        parts.append(f"from {policy.minimum_evaluation_number}")
    if policy.max_collateral_age:
        parts.append(f"≤ {duration_text(policy.max_collateral_age)}")
    if policy.only_listed_platforms:
        parts.append("listed")
    return ", ".join(parts)


def _in_order(statuses: frozenset[TcbStatus]) -> list[str]:
    return [s.intel_name for s in sorted(statuses, key=lambda status: status.value)]


def _statuses_text(statuses: frozenset[TcbStatus]) -> str:
    return ", ".join(_in_order(statuses)) or "none"


def _number_text(number: int) -> str:
    return str(number) if number else "any"


def _age_text(seconds: int) -> str:
    return duration_text(seconds) if seconds else "until it expires"


def _mask_text(names: Mapping[int, str]) -> Callable[[bytes], str]:
    def text(mask: bytes) -> str:
        known = flag_names(mask, names)
        shown = [name for name in known if not name.startswith("reserved ")]
        if unknown := len(known) - len(shown):
            shown.append(f"{unknown} unnamed")
        return f"0x{mask.hex()} ({', '.join(shown) or 'none'})"

    return text


def _platforms_text(only_listed: bool) -> str:
    return "listed only" if only_listed else "any"


def _count_text(count: int) -> str:
    return str(max(1, count))  # zero means one


def _is_wider(before: bytes, after: bytes) -> bool:
    return int.from_bytes(after, "big") & ~int.from_bytes(before, "big") != 0


def _is_older(before: int, after: int) -> bool:
    return before != 0 and (after == 0 or after > before)


def _is_less(before: int, after: int) -> bool:
    return after < before


FIELDS = (
    PolicyField(
        "accepted",
        "accepted statuses",
        click.option(
            "--accept",
            "accepted",
            type=STATUS,
            multiple=True,
            help="An accepted TCB status; repeat for each. Together they replace the present ones. "
            f"Intel's names: {_STATUSES}.",
        ),
        _statuses_text,
        lambda before, after: bool(after - before),
    ),
    PolicyField(
        "minimum_evaluation_number",
        "minimum evaluation number",
        click.option(
            "--minimum-evaluation-number",
            type=click.IntRange(0, 255),
            help="The oldest of Intel's collateral sets that counts; 0: any set in force.",
        ),
        _number_text,
        _is_less,
    ),
    PolicyField(
        "max_collateral_age",
        "maximum collateral age",
        click.option(
            "--max-collateral-age",
            type=DURATION,
            help="How long collateral counts after its issue, as 7d; 0: until it expires.",
        ),
        _age_text,
        _is_older,
    ),
    PolicyField(
        "allowed_td_attributes",
        "TD attributes",
        click.option(
            "--td-attributes",
            "allowed_td_attributes",
            type=BYTES8,
            help="Mask of the TD attributes that may be set, in the quote's byte order: bit 0 is "
            "the lowest bit of the first byte. The verifier always refuses DEBUG, migration and "
            "reserved bits.",
        ),
        _mask_text(TD_ATTRIBUTES),
        _is_wider,
    ),
    PolicyField(
        "allowed_xfam",
        "XFAM",
        click.option(
            "--xfam",
            "allowed_xfam",
            type=BYTES8,
            help="Mask of the extended CPU features that may be enabled, in the same byte order.",
        ),
        _mask_text(XFAM),
        _is_wider,
    ),
    PolicyField(
        "only_listed_platforms",
        "platforms",
        click.option(
            "--only-listed-platforms/--any-platform",
            default=None,
            help="Whether only platforms listed by `list-platform` count. Denied ones never do.",
        ),
        _platforms_text,
        lambda before, after: before and not after,
    ),
    PolicyField(
        "min_hosts",
        "different hosts in a path",
        click.option(
            "--min-hosts",
            type=click.IntRange(1, 255),
            help="Different hosts that a path needs to be paid; also for open requests.",
        ),
        _count_text,
        _is_less,
    ),
    PolicyField(
        "min_platforms",
        "different platforms in a path",
        click.option(
            "--min-platforms",
            type=click.IntRange(1, 255),
            help="Different machines that a path needs to be paid; also for open requests.",
        ),
        _count_text,
        _is_less,
    ),
)


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each field."""
    for field in reversed(FIELDS):
        command = field.option(command)
    return command
