# SPDX-License-Identifier: Apache-2.0
"""Values that the contracts keep, as Python sees them."""
