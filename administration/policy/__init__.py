# SPDX-License-Identifier: Apache-2.0
"""What a model asks of platforms and paths: reading, comparing and changing it."""
