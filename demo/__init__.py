# SPDX-License-Identifier: Apache-2.0
"""Everything on this machine: a chain, contracts, three simulated enclaves, a paid question, its
audit.

Starts the same programs that an operator would start, each as a process of its own, and watches
them through their public doors. Nothing here decides what a program of the system should decide.
"""
