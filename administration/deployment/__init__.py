# SPDX-License-Identifier: Apache-2.0
"""A deployment: its terms, its order, its checks."""
