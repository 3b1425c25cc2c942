"""Tensors: what they are called, where they lie in the files, and where they go in memory."""
