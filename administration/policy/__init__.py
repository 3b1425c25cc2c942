"""What a model asks of platforms and paths: reading, comparing and changing it."""
