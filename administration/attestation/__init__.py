"""Allowed images and platforms."""
