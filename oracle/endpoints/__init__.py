# SPDX-License-Identifier: Apache-2.0
"""The endpoints that any client may connect to: `teetee-enrol/1`, `teetee-info/1` and
`teetee-stream/1`."""
