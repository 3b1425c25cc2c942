# SPDX-License-Identifier: Apache-2.0
"""The process itself: settings, start-up, main loop, shutdown, and what runs beside requests."""
