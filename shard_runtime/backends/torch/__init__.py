# SPDX-License-Identifier: Apache-2.0
"""The torch backend: computes any supported model in float32, bfloat16 or float16."""
