# SPDX-License-Identifier: Apache-2.0
"""A model on disk: what it is, where its tensors lie, and how a shard's part of them is read."""
