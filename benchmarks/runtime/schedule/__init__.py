# SPDX-License-Identifier: Apache-2.0
"""Which systems are measured, in which order, and carrying that out."""
