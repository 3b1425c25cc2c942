# SPDX-License-Identifier: Apache-2.0
"""JSON from outside: strict, shallow, and framed with its length."""
