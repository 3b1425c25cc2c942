# SPDX-License-Identifier: Apache-2.0
"""Collateral that a quote is verified with: TCB info, QE identity and CRLs."""
