"""The subcommands of `teetee`, one module each."""
