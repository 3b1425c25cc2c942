# SPDX-License-Identifier: Apache-2.0
"""Who holds which role, and calls that a role may make at once or after notice."""
