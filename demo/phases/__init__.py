# SPDX-License-Identifier: Apache-2.0
"""The phases of a demo. In order: chain, model, machines, contracts, collateral, enclaves, ask,
unsplit, verify. They print nothing.
"""
