"""A campaign of random changes, judged by our contracts and by dcap-qvl.

given evidence that both accept, recorded or simulated
    when it is changed at random, and signed again or not
        it should pass on chain only if dcap-qvl lets it pass, with the same status
        it should never panic, and never run out of gas
given none of the changes
    both should accept it, so that the campaign can find something

MUTATIONS=100000 tries so many (`make test-deep`) instead of 10,000. The seed is fixed:
MUTATION_SEED chooses another.
"""

import os
import random
from collections import Counter
from dataclasses import dataclass

import pytest

from tee_simulator.conditions import Conditions
from tests.attestation import mutations
from tests.attestation.evidence import INTEL_ROOT, Evidence, cases
from tests.attestation.simulated import AT, World
from tests.attestation.test_recorded_cases import evidence_of
from tests.attestation.trial import ChainJudge, Verdict, dcap_qvl_verdict

MUTATIONS = int(os.environ.get("MUTATIONS", "10000"))
SEED = int(os.environ.get("MUTATION_SEED", "20260814"))
BATCHES = 8
"""So many tests share the campaign: several processes can run them."""

WORLD, STRANGER = (
    World.from_seed(b"teetee mutations, public keys 01"),
    World.from_seed(b"teetee mutations, public keys 02"),
)


@dataclass(frozen=True)
class Ground:
    """What mutations start from."""

    name: str
    evidence: Evidence
    at: int
    root: bytes
    world: World | None


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
        "simulated, behind": WORLD.evidence(conditions),
        "simulated, with revoked ones": WORLD.evidence(Conditions(revoked_pcks=("aa", "bbbb"))),
    }
    return found + [
        Ground(name, evidence, AT, WORLD.root, WORLD) for name, evidence in simulated.items()
    ]


GROUNDS = grounds()


@pytest.fixture(scope="session")
def judges(chain_url: str, intel_judge: ChainJudge) -> dict[bytes, ChainJudge]:
    """One for each root."""
    return {INTEL_ROOT: intel_judge, WORLD.root: ChainJudge(chain_url, WORLD.root)}


@pytest.mark.parametrize("ground", [pytest.param(each, id=each.name) for each in GROUNDS])
def test_verdict__nothing_changed__accepted_by_both(
    judges: dict[bytes, ChainJudge], ground: Ground
) -> None:
    verdict = judges[ground.root].verdict(ground.evidence, ground.at)
    assert verdict.ok, verdict.error
    independent = dcap_qvl_verdict(ground.evidence, ground.root, ground.at)
    assert independent.ok, independent.error
    assert _agree(verdict, independent)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_verdict__changed_at_random__passes_only_what_dcap_qvl_passes(
    judges: dict[bytes, ChainJudge], batch: int
) -> None:
    rng = random.Random(SEED + batch)
    tally: Counter[str] = Counter()
    for _ in range(MUTATIONS // BATCHES):
        ground = rng.choice(GROUNDS)
        kind, evidence = _mutated(rng, ground)
        verdict = judges[ground.root].verdict(evidence, ground.at)
        if not verdict.ok:
            tally[f"refused: {verdict.error}"] += 1
            continue
        independent = dcap_qvl_verdict(evidence, ground.root, ground.at)
        assert independent.ok, f"{ground.name}, {kind}: only dcap-qvl refuses: {independent.error}"
        assert _agree(verdict, independent), f"{ground.name}, {kind}: {verdict}, {independent}"
        tally["accepted by both"] += 1
    # blind changes hit a signature; an insider's have to get past it, to the checks behind
    assert len(tally) >= 8, tally


def _mutated(rng: random.Random, ground: Ground) -> tuple[str, Evidence]:
    other = rng.choice([each for each in GROUNDS if each is not ground]).evidence
    if ground.world is None:
        kind = rng.choice(("blind", "swapped", "signed by a stranger"))
    else:
        kind = rng.choice(("blind", "swapped", "signed by a stranger") + ("signed",) * 5)
    if kind == "blind":
        return kind, mutations.blind(rng, ground.evidence)
    if kind == "swapped":
        return kind, mutations.swapped(rng, ground.evidence, other)
    world = STRANGER if ground.world is None or kind != "signed" else ground.world
    return kind, mutations.resigned(rng, ground.evidence, world)


def _agree(verdict: Verdict, independent: Verdict) -> bool:
    return verdict.status == independent.status
