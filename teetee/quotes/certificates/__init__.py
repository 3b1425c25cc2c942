# SPDX-License-Identifier: Apache-2.0
"""A quote's certificates: the PCK chain, its issuers, and Intel's extension."""
