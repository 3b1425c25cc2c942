# SPDX-License-Identifier: Apache-2.0
"""Sends calls: simulate, price, sign, broadcast, confirm."""
