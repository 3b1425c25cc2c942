# SPDX-License-Identifier: Apache-2.0
"""Simulates TDX machines: dstack's guest-agent API, and TDX quotes under a test root.

SIMULATED: no hardware protects anything; anyone who can read the folder has the keys. The quotes
have Intel's layout to the byte, so every verifier works on them unmodified, but none that trusts
Intel's root accepts them.
"""

from tee_simulator.guest.enclave import SimulatedEnclave
from tee_simulator.notice import SIMULATED
from tee_simulator.pki.simulated_pki import SimulatedPki

__all__ = ["SIMULATED", "SimulatedEnclave", "SimulatedPki"]
