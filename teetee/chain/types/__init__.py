"""Values that the contracts keep, as Python sees them."""
