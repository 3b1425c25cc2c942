# SPDX-License-Identifier: Apache-2.0
"""Ratios, tables and plots of the results."""
