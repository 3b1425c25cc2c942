# SPDX-License-Identifier: Apache-2.0
"""The chain as the oracle sees it: ports in its own words, and their adapters."""
