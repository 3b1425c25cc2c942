# SPDX-License-Identifier: Apache-2.0
"""Tensors: what they are called, where they lie in the files, and where they go in memory."""
