# SPDX-License-Identifier: Apache-2.0
"""Reads GGUF files: header, architecture, tokenizer."""
