"""Checks a request again from what the chain holds: `teetee verify`."""
