# SPDX-License-Identifier: Apache-2.0
"""Allowed images and platforms."""
