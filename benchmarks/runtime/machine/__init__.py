# SPDX-License-Identifier: Apache-2.0
"""The machine that measures: cores, memory, worker processes."""
