# SPDX-License-Identifier: Apache-2.0
"""Model files on disk: architecture, tensor layout, tokenizer, digests, loading of slices."""
