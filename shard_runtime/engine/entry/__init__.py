"""The entry: where prompts become answers."""
