# SPDX-License-Identifier: Apache-2.0
"""A platform's status: contracts and dcap-qvl on random TCB info, modules and quoting enclaves.

given levels, module levels, QE levels and a platform somewhere among them
    when its quote is of version 4, or of version 5 with another TEE_TCB_SVN_2
        both verifiers should give the same status, or both refuse
"""

import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tee_simulator.collateral.conditions import STATUSES
from tests.attestation.evidence import Evidence
from tests.attestation.simulated import AT, World
from tests.attestation.verifiers import ChainVerifier, dcap_qvl_verdict

WORLD = World.from_seed(b"teetee tcb rules, public keys 01")
ENCLAVE_STATUSES = ("UpToDate", "UpToDate", "UpToDate", "OutOfDate", "Revoked")
DATE = "2026-01-14T00:00:00Z"
CASES = 600


@pytest.fixture(scope="module")
def verifier(chain_url: str) -> ChainVerifier:
    return ChainVerifier(chain_url, WORLD.root)


@pytest.mark.parametrize("version", [4, 5])
def test_verdict__of_a_platform_among_levels__the_same_from_both(
    verifier: ChainVerifier, version: int
) -> None:
    rng = random.Random(version)
    tally: Counter[str] = Counter()
    for _ in range(CASES // 2):
        evidence = _evidence(rng, version)
        verdict = verifier.verdict(evidence, AT)
        independent = dcap_qvl_verdict(evidence, WORLD.root, AT)
        assert (verdict.ok, verdict.status) == (independent.ok, independent.status), (
            evidence.tcb_info.decode(),
            evidence.qe_identity.decode(),
            evidence.core[48:70].hex(),
            verdict.error,
            independent.error,
        )
        tally[verdict.status or "refused"] += 1
    assert len(tally) >= (9 if version == 5 else 7), tally


def _evidence(rng: random.Random, version: int) -> Evidence:
    evidence = WORLD.evidence()
    info, identity = json.loads(evidence.tcb_info), json.loads(evidence.qe_identity)
    info["tcbLevels"] = _levels(rng, info["tcbLevels"][0])
    info["tdxModuleIdentities"] = _modules(rng, info["tdxModuleIdentities"][0])
    svns = rng.sample((5, 6, 7), rng.randrange(1, 4))
    identity["tcbLevels"] = _enclave_levels(rng, sorted(svns, reverse=True))
    tcb_info, qe_identity = _compact(info), _compact(identity)
    core = evidence.core[:48] + _tee_tcb_svn(rng) + evidence.core[64:]
    core = WORLD.as_v5(core, _tee_tcb_svn(rng)) if version == 5 else WORLD.sign_quote(core)
    return replace(
        evidence,
        tcb_info=tcb_info,
        tcb_info_signature=WORLD.sign_json(tcb_info),
        qe_identity=qe_identity,
        qe_identity_signature=WORLD.sign_json(qe_identity),
        core=core,
    )


def _tee_tcb_svn(rng: random.Random) -> bytes:
    """Module's security version and version, and the late microcode's."""
    return bytes([rng.randrange(3, 8), rng.choice((0, 1, 3, 3, 3)), rng.randrange(3, 7)]) + bytes(
        13
    )


def _levels(rng: random.Random, pattern: dict[str, Any]) -> list[dict[str, Any]]:
    """Around the machines' own, whose first SGX component is 4 and whose PCESVN is 11."""
    keys = {
        (rng.randrange(3, 6), rng.randrange(10, 13), rng.randrange(3, 6), rng.randrange(3, 7))
        for _ in range(rng.randrange(1, 7))
    }
    levels = []
    for sgx, pce, module_svn, microcode in sorted(keys, reverse=True):
        level = json.loads(json.dumps(pattern))
        tcb = level["tcb"]
        tcb["sgxtcbcomponents"][0]["svn"], tcb["pcesvn"] = sgx, pce
        tcb["tdxtcbcomponents"][0]["svn"] = module_svn
        tcb["tdxtcbcomponents"][2]["svn"] = microcode
        level["tcbStatus"] = rng.choice(STATUSES)
        levels.append(level)
    return levels


def _modules(rng: random.Random, pattern: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for version in rng.sample((1, 3), 2):
        svns = sorted(rng.sample(range(2, 7), rng.randrange(1, 4)), reverse=True)
        module = pattern | {"id": f"TDX_{version:02X}", "tcbLevels": _enclave_levels(rng, svns)}
        found.append(module)
    return found


def _enclave_levels(rng: random.Random, svns: list[int]) -> list[dict[str, Any]]:
    return [
        {"tcb": {"isvsvn": svn}, "tcbDate": DATE, "tcbStatus": rng.choice(ENCLAVE_STATUSES)}
        for svn in svns
    ]


def _compact(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
