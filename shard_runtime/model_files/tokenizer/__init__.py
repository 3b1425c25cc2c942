# SPDX-License-Identifier: Apache-2.0
"""A model's tokenizer and chat template."""
