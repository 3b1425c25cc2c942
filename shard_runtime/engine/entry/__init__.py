# SPDX-License-Identifier: Apache-2.0
"""The entry: where prompts become answers."""
