# SPDX-License-Identifier: Apache-2.0
"""The subcommands of `teetee`, one module each."""
