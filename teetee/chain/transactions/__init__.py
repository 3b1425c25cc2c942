# SPDX-License-Identifier: Apache-2.0
"""Encodes calls and sends them: simulate, price, sign, broadcast, confirm."""
