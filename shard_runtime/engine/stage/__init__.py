# SPDX-License-Identifier: Apache-2.0
"""A stage that is not the entry: serves other entries' runs with one shard."""
