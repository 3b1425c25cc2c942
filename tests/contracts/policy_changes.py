# SPDX-License-Identifier: Apache-2.0
"""One change of each field of a policy that tightens it, and one that loosens it again."""

from typing import Any

# Field → options, attribute, stored value, text; each asks for more than a new model does.
STRICTER: dict[str, tuple[list[str], str, Any, str]] = {
    "evaluation number": (
        ["--minimum-evaluation-number", "20"],
        "minimum_evaluation_number",
        20,
        "minimum evaluation number: any → 20",
    ),
    "age of collateral": (
        ["--max-collateral-age", "7d"],
        "max_collateral_age",
        604_800,
        "maximum collateral age: until it expires → 7 days",
    ),
    "TD attributes": (
        ["--td-attributes", "0x0000001000000000"],
        "allowed_td_attributes",
        bytes.fromhex("0000001000000000"),
        "KL, PERFMON) → 0x0000001000000000 (SEPT_VE_DISABLE)",
    ),
    "features": (
        ["--xfam", "0x0300000000000000"],
        "allowed_xfam",
        bytes.fromhex("0300000000000000"),
        "→ 0x0300000000000000 (x87, SSE)",
    ),
    "listed platforms": (
        ["--only-listed-platforms"],
        "only_listed_platforms",
        True,
        "platforms: any → listed only",
    ),
    "hosts": (["--min-hosts", "2"], "min_hosts", 2, "different hosts in a path: 1 → 2"),
    "platforms": (
        ["--min-platforms", "2"],
        "min_platforms",
        2,
        "different platforms in a path: 1 → 2",
    ),
}
# Field → options that undo it, text, stored value.
LOOSER: dict[str, tuple[list[str], str, Any]] = {
    "evaluation number": (
        ["--minimum-evaluation-number", "19"],
        "minimum evaluation number: 20 → 19",
        19,
    ),
    "age of collateral": (
        ["--max-collateral-age", "0"],
        "maximum collateral age: 7 days → until it expires",
        0,
    ),
    "TD attributes": (
        ["--td-attributes", "0x0000005000000000"],
        "(SEPT_VE_DISABLE) → 0x0000005000000000 (SEPT_VE_DISABLE, PKS)",
        bytes.fromhex("0000005000000000"),
    ),
    "features": (
        ["--xfam", "0x0700000000000000"],
        "XFAM: 0x0300000000000000 (x87, SSE) → 0x0700000000000000 (x87, SSE, AVX)",
        bytes.fromhex("0700000000000000"),
    ),
    "listed platforms": (["--any-platform"], "platforms: listed only → any", False),
    "hosts": (["--min-hosts", "1"], "different hosts in a path: 2 → 1", 1),
    "platforms": (["--min-platforms", "1"], "different platforms in a path: 2 → 1", 1),
}
