# SPDX-License-Identifier: Apache-2.0
"""Simulated collateral: what Intel's services publish, for simulated machines."""
