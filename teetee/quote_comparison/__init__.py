# SPDX-License-Identifier: Apache-2.0
"""Compares two verdicts on one quote: dcap-qvl's, and that of our contracts on a local anvil.

The two verifiers share no code. If they differ without a reason in docs/attestation.md, one of them
is wrong.
"""
