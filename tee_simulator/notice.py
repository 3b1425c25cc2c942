# SPDX-License-Identifier: Apache-2.0
"""What every output of the simulator says: nothing here is protected by hardware."""

SIMULATED = (
    "SIMULATED: no hardware protects anything here; "
    "keys lie in files and quotes chain to a test root."
)
