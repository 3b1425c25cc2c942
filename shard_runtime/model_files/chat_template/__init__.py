# SPDX-License-Identifier: Apache-2.0
"""A model's chat template: rendered with limits, and kept apart from what users write."""
