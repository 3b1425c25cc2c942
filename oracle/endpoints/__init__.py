# SPDX-License-Identifier: Apache-2.0
"""What the process serves to strangers: `teetee-enrol/1` and `teetee-stream/1`."""
