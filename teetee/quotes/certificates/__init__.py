# SPDX-License-Identifier: Apache-2.0
"""The certificates behind a quote: the PCK chain, its issuers, and what Intel's extension says."""
