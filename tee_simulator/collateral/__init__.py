"""What Intel's services publish, for simulated machines."""
