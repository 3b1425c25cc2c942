# SPDX-License-Identifier: Apache-2.0
"""What keeps the process apart from its surroundings: environment, memory and uncaught errors.

Imports no library, so that it can run before any is loaded.
"""
