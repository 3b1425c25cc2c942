# SPDX-License-Identifier: Apache-2.0
"""What Intel's services publish, for simulated machines."""
