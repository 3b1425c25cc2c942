# SPDX-License-Identifier: Apache-2.0
"""Checks a request again from what the chain holds: `teetee verify`."""
