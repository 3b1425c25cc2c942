"""A simulated machine and the guest that runs on it."""
