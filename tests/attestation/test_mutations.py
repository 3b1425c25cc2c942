# SPDX-License-Identifier: Apache-2.0
"""A campaign of random changes, verified by our contracts and by dcap-qvl.

given evidence that both accept, recorded or simulated
    when it is changed at random, and signed again or not
        it should pass on chain only if dcap-qvl lets it pass, with the same status
        it should never panic or run out of gas: both fail the test, they are not refusals
        every class of change should have been tried often enough; the counts are in the summary
given none of the changes
    both should accept it, so that the campaign can find something

MUTATIONS=100000 (`make test-deep`) replaces the default of 2,500. The seed is fixed:
MUTATION_SEED chooses another.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tee_simulator.collateral.conditions import Conditions
from tests.attestation import mutations
from tests.attestation.conftest import TALLY
from tests.attestation.evidence import INTEL_ROOT, Evidence, cases
from tests.attestation.simulated import AT, World
from tests.attestation.test_recorded_cases import evidence_of
from tests.attestation.verifiers import ChainVerifier, Verdict, dcap_qvl_verdict

MUTATIONS = int(os.environ.get("MUTATIONS", "2500"))
SEED = int(os.environ.get("MUTATION_SEED", "20260814"))
BATCHES = 8
"""The number of tests that share the campaign, so that several processes can run it."""

WORLD, STRANGER = (
    World.from_seed(b"teetee mutations, public keys 01"),
    World.from_seed(b"teetee mutations, public keys 02"),
)


@dataclass(frozen=True)
class Ground:
    """Accepted evidence that mutations start from."""

    name: str
    evidence: Evidence
    at: int
    root: bytes
    world: World | None


def v5_extended() -> Evidence:
    """Of the same machine."""
    evidence = WORLD.evidence()
    return replace(evidence, core=WORLD.as_v5_extended(evidence.core))


def grounds() -> list[Ground]:
    """Everything that is accepted unchanged."""
    found = [
        Ground(case["quote"], evidence_of(case), case["at"], INTEL_ROOT, None)
        for case in cases()
        if case["result"]["ok"]
    ]
    conditions = Conditions(module_status="OutOfDate", platform_status="ConfigurationNeeded")
    simulated = {
        "simulated": WORLD.evidence(),
        "simulated v5": WORLD.evidence(v5=True),
        "simulated v5, extended": v5_extended(),
        "simulated, behind": WORLD.evidence(conditions),
        "simulated, with revoked ones": WORLD.evidence(Conditions(revoked_pcks=("aa", "bbbb"))),
    }
    return found + [
        Ground(name, evidence, AT, WORLD.root, WORLD) for name, evidence in simulated.items()
    ]


GROUNDS = grounds()
SIMULATED = [ground for ground in GROUNDS if ground.world is not None]
MUTATORS = mutations.BY_ANYONE | mutations.BY_SIGNERS | mutations.BY_A_STRANGER
CLASSES = [
    *((name, True) for name in MUTATORS),
    *((name, False) for name in mutations.BY_SIGNERS),
    *((name, False) for name in mutations.BY_SIGNERS),
]
"""Name, and whether a stranger's keys sign. Two of three changes that need keys use the insider's,
which get past the signatures."""


@pytest.fixture(scope="session")
def verifiers(chain_url: str, intel_verifier: ChainVerifier) -> dict[bytes, ChainVerifier]:
    """One for each root."""
    return {INTEL_ROOT: intel_verifier, WORLD.root: ChainVerifier(chain_url, WORLD.root)}


@pytest.mark.parametrize("ground", [pytest.param(each, id=each.name) for each in GROUNDS])
def test_verdict__nothing_changed__accepted_by_both(
    verifiers: dict[bytes, ChainVerifier], ground: Ground
) -> None:
    verdict = verifiers[ground.root].verdict(ground.evidence, ground.at)
    assert verdict.ok, verdict.error
    independent = dcap_qvl_verdict(ground.evidence, ground.root, ground.at)
    assert independent.ok, independent.error
    assert _agree(verdict, independent)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_verdict__changed_at_random__passes_only_what_dcap_qvl_passes(
    verifiers: dict[bytes, ChainVerifier],
    batch: int,
    record_property: Callable[[str, object], None],
) -> None:
    rng = random.Random(SEED + batch)
    tally: Counter[tuple[str, bool]] = Counter()
    refusals: set[str] = set()
    for number in range(MUTATIONS // BATCHES):
        name, by_stranger = CLASSES[number % len(CLASSES)]
        ground, evidence = _mutated(rng, name, by_stranger=by_stranger)
        verdict = verifiers[ground.root].verdict(evidence, ground.at)
        tally[name, verdict.ok] += 1
        if not verdict.ok:
            refusals.add(str(verdict.error))
            continue
        independent = dcap_qvl_verdict(evidence, ground.root, ground.at)
        assert independent.ok, f"{ground.name}, {name}: only dcap-qvl refuses: {independent.error}"
        assert _agree(verdict, independent), f"{ground.name}, {name}: {verdict}, {independent}"
    for name in MUTATORS:
        tried = tally[name, False] + tally[name, True]
        record_property(TALLY, (name, tried, tally[name, True]))
        assert tried >= MUTATIONS // BATCHES // len(CLASSES), name
    # blind changes break a signature; an insider's must reach the checks after it
    assert len(refusals) >= 8, refusals


def _mutated(rng: random.Random, name: str, *, by_stranger: bool) -> tuple[Ground, Evidence]:
    """An insider signs with the keys of the ground's world."""
    insider = name in mutations.BY_SIGNERS and not by_stranger
    ground = rng.choice(SIMULATED if insider else GROUNDS)
    other = rng.choice([each for each in GROUNDS if each is not ground]).evidence
    return ground, MUTATORS[name](rng, ground.evidence, other, WORLD if insider else STRANGER)


def _agree(verdict: Verdict, independent: Verdict) -> bool:
    return verdict.status == independent.status
