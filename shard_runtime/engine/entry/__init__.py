# SPDX-License-Identifier: Apache-2.0
"""The entry: turns prompts into answers."""
