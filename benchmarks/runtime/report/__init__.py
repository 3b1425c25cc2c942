# SPDX-License-Identifier: Apache-2.0
"""Progress, tables, ratios and plots."""
