# SPDX-License-Identifier: Apache-2.0
"""The minimum evaluation number that a new model should begin with, by the chain's collateral.

Intel keeps sets of up to fifteen months ago in force, and by an old one a platform without newer
recoveries is up to date. So the highest number counts of which the chain has collateral: that is
what synchronization uploads, Intel's standard set and those that policies demand.
"""

from typing import Final

from administration.chain.contracts import Contracts
from administration.chain.verifier import automata_behind
from administration.errors import EvaluationNumberUnknown
from teetee.chain.contracts.collateral import QE_IDENTITIES, numbers_in

MAX_EVALUATION_NUMBER: Final = 255


def proposed_evaluation_number(contracts: Contracts, now: int) -> int:
    """The highest number of a QE identity in force. Raises `EvaluationNumberUnknown`."""
    verifier = contracts.verifier
    if automata_behind(verifier.address) is not None:
        raise EvaluationNumberUnknown("Automata's contracts keep the collateral")
    stored = numbers_in(int(verifier.evaluationNumbers(*QE_IDENTITIES)))
    in_force = [number for number in stored if verifier.qeIdentity(number).nextUpdate >= now]
    if not in_force:
        raise EvaluationNumberUnknown("the chain has no QE identity in force")
    return max(in_force)
