# SPDX-License-Identifier: Apache-2.0
"""The notice in every output of the simulator: no hardware protects anything."""

SIMULATED = (
    "SIMULATED: no hardware protects anything here; "
    "keys are in files and quotes chain to a test root."
)
