# SPDX-License-Identifier: Apache-2.0
"""The architecture, from a Hugging Face `config.json`."""
