"""Computes runs: the loop, the scheduler, and what entries and stages share."""
