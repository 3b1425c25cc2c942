# SPDX-License-Identifier: Apache-2.0
"""Whether a model is there: much of what the registry reads and keeps by a model's number does not
ask for it, and is zero for a number that nobody has.
"""

from ape.contracts import ContractInstance

from teetee.chain.contract_errors import UnknownModel
from teetee.chain.types.policies import AttestationPolicy


def require_model(registry: ContractInstance, model_id: int) -> None:
    """Raises `UnknownModel`."""
    if model_id > registry.modelCount():
        raise UnknownModel("UnknownModel", {"modelId": model_id})


def policy_of(registry: ContractInstance, model_id: int) -> AttestationPolicy:
    """What a model asks for now. Raises `UnknownModel`."""
    require_model(registry, model_id)
    return AttestationPolicy.of(registry.policyOf(model_id))
