"""A deployment: its terms, its order, its checks."""
