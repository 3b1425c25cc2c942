# SPDX-License-Identifier: Apache-2.0
"""One quote judged twice: by dcap-qvl, and by our contracts on a chain of their own.

The two share no code. Where they differ without a reason in docs/attestation.md, one of them is
wrong.
"""
