# SPDX-License-Identifier: Apache-2.0
"""What a quote is checked against: TCB info, QE identity and CRLs, fetched or from files."""
