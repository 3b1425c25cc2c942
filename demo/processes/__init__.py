"""Starting processes, watching them, and leaving none behind."""
