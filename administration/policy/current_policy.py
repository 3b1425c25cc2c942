# SPDX-License-Identifier: Apache-2.0
"""A model's policy as the registry has it now, and the check that the model exists.

Much of what the registry returns by model id does not check the id, and is zero for an unknown one.
A new model's policy comes from constants of contracts/registry/ModelAdministration.sol
(INITIAL_STATUSES, which is UpToDate alone, and the masks beside it) and the minimum evaluation
number that its publisher states.
"""

from ape.contracts import ContractInstance

from teetee.chain.contract_errors import UnknownModel
from teetee.chain.types.policies import AttestationPolicy


def require_model(registry: ContractInstance, model_id: int) -> None:
    """Raises `UnknownModel`."""
    if model_id > registry.modelCount():
        raise UnknownModel("UnknownModel", {"modelId": model_id})


def policy_of(registry: ContractInstance, model_id: int) -> AttestationPolicy:
    """The model's current policy. Raises `UnknownModel`."""
    require_model(registry, model_id)
    return AttestationPolicy.from_struct(registry.policyOf(model_id))
