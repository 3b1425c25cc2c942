# SPDX-License-Identifier: Apache-2.0
"""Untrusted JSON: strict parsing, bounded nesting, and frames with a length."""
