# SPDX-License-Identifier: Apache-2.0
"""The chain as the oracle uses it: ports in the oracle's terms, and their adapters."""
