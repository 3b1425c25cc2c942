# SPDX-License-Identifier: Apache-2.0
"""The `teetee` command: options in, text or JSON out. `teetee.client` does the work."""

from teetee.cli.app import main

__all__ = ["main"]
