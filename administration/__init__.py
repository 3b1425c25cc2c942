# SPDX-License-Identifier: Apache-2.0
"""The library of the `ape run` commands in scripts/. Runs under ape, on an administrator's machine.

Arrows between its folders point one way: commands → output → deployment → roles → policy → chain.
"""
