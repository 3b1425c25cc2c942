# SPDX-License-Identifier: Apache-2.0
"""The process: settings, start-up, main loop, shutdown, and its background tasks."""
