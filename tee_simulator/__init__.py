# SPDX-License-Identifier: Apache-2.0
"""A stand-in for TDX machines: dstack's guest-agent API, and TDX quotes under a test root.

SIMULATED, all of it: no hardware protects anything, and whoever holds the folder holds the keys.
The quotes have Intel's layout to the byte, so every verifier works on them unmodified, and none
that trusts Intel's root accepts them.
"""

from tee_simulator.guest.enclave import SimulatedEnclave
from tee_simulator.notice import SIMULATED
from tee_simulator.pki.pki import TestPki

__all__ = ["SIMULATED", "SimulatedEnclave", "TestPki"]
