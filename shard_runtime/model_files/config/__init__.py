# SPDX-License-Identifier: Apache-2.0
"""Reads the architecture from a Hugging Face `config.json`."""
