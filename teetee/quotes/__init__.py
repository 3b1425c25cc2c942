# SPDX-License-Identifier: Apache-2.0
"""TDX quotes: parse them, rebuild them from what the chain stores, verify them with dcap-qvl.

Knows no chain and no contract, but uses the contracts' terms: core, pckId, measurement
(docs/protocol.md section 3).
"""
