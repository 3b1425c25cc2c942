# SPDX-License-Identifier: Apache-2.0
"""The `teetee` command: options in, words and JSON out. What it does is in `teetee.client`."""

from teetee.cli.app import main

__all__ = ["main"]
