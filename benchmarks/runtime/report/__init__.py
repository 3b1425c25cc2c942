"""Progress, tables, ratios and plots."""
