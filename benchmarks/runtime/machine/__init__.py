"""The machine that measures: cores, memory, worker processes."""
