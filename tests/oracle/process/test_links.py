# SPDX-License-Identifier: Apache-2.0
"""The links of an enclave's process.

given a machine that is not simulated
    its links should lead to other machines alone, whatever hosts write on the chain
given a simulated machine
    its peers may be on the same machine
"""

from types import SimpleNamespace
from typing import Any

import pytest

from oracle.process import assembly
from tests.teetee.enclave_keys import keys_of


@pytest.mark.parametrize("is_simulated", [False, True])
def test_l27_links__of_a_process__lead_to_other_machines_unless_it_is_simulated(
    is_simulated: bool,
) -> None:
    context: Any = SimpleNamespace(
        enclave=SimpleNamespace(keys=keys_of("enclave")),
        peers=None,
        listener=None,
        settings=SimpleNamespace(simulated=is_simulated),
    )
    assert assembly._links(context)._is_directory_of_hosts is not is_simulated
