# SPDX-License-Identifier: Apache-2.0
"""Tensors in model files: names, headers, layout in memory, conversion to numbers."""
