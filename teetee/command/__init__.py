"""The `teetee` command: options in, words and JSON out. What it does is in `teetee.client`."""

from teetee.command.application import main

__all__ = ["main"]
