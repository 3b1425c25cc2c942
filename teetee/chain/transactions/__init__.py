"""Encodes calls and sends them: simulate, price, sign, broadcast, confirm."""
