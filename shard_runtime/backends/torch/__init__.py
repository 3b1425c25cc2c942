# SPDX-License-Identifier: Apache-2.0
"""A shard that computes with torch: any supported model, in float32, bfloat16 or float16."""
