# SPDX-License-Identifier: Apache-2.0
"""Computes runs: the main loop, the scheduler, and what entries and stages share."""
