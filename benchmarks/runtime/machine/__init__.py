# SPDX-License-Identifier: Apache-2.0
"""The measuring machine: cores, memory, worker processes."""
