# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `ape run admin`, by theme; scripts/admin.py puts them together."""
