# SPDX-License-Identifier: Apache-2.0
"""Starts processes, watches them, and leaves none running."""
