# SPDX-License-Identifier: Apache-2.0
"""Checks that a model exists: much of what the registry returns by model id does not check it, and
is zero for an unknown id.
"""

from ape.contracts import ContractInstance

from teetee.chain.contract_errors import UnknownModel
from teetee.chain.types.policies import AttestationPolicy


def require_model(registry: ContractInstance, model_id: int) -> None:
    """Raises `UnknownModel`."""
    if model_id > registry.modelCount():
        raise UnknownModel("UnknownModel", {"modelId": model_id})


def policy_of(registry: ContractInstance, model_id: int) -> AttestationPolicy:
    """The model's present policy. Raises `UnknownModel`."""
    require_model(registry, model_id)
    return AttestationPolicy.from_struct(registry.policyOf(model_id))
