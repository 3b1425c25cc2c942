# SPDX-License-Identifier: Apache-2.0
"""The parts of a demo in their order: chain, model, machines, contracts, collateral, enclaves, ask,
unsplit, audit.
"""
