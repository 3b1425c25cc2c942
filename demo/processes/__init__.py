# SPDX-License-Identifier: Apache-2.0
"""Starting processes, watching them, and leaving none behind."""
