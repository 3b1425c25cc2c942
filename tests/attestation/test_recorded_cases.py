# SPDX-License-Identifier: Apache-2.0
"""Our contracts and dcap-qvl, on every recorded quote with every recorded set of collateral.

given a recorded case
    when the time is that of the record, a second before the window, a second after it
        both verifiers should give the recorded verdict and status
"""

from typing import Any

import pytest

from tests.attestation.evidence import INTEL_ROOT, Evidence, cases, recorded
from tests.attestation.verifiers import ChainVerifier, dcap_qvl_verdict

TIMES = {
    "result": lambda case: case["at"],
    "result_1s_before_valid_from": lambda case: case["valid_from"] - 1,
    "result_1s_after_valid_until": lambda case: case["valid_until"] + 1,
}


def evidence_of(case: dict[str, Any]) -> Evidence:
    """The evidence of the record."""
    signer = case["signing_cert"].removeprefix("certs/").removesuffix(".der")
    return recorded(case["quote"], case["collateral"], signer)


@pytest.mark.parametrize("moment", TIMES)
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case['quote']} {case['collateral']}") for case in cases()]
)
def test_verdict__of_a_recorded_case__is_the_recorded_one(
    intel_verifier: ChainVerifier, case: dict[str, Any], moment: str
) -> None:
    evidence, at = evidence_of(case), TIMES[moment](case)
    expected = case[moment]
    independent = dcap_qvl_verdict(evidence, INTEL_ROOT, at)
    assert (independent.ok, independent.status) == (expected["ok"], expected.get("status"))
    verdict = intel_verifier.verdict(evidence, at)
    assert (verdict.ok, verdict.status) == (expected["ok"], expected.get("status")), verdict.error
