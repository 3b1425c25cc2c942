# SPDX-License-Identifier: Apache-2.0
"""A model's policy: its fields, its lists, and reading them from the registry."""
