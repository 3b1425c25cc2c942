"""What a person reads, and what programs read, of a demo."""
