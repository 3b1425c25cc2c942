# SPDX-License-Identifier: Apache-2.0
"""Roles of the AccessManager: their holders, announcements, and calls restricted to a role."""
