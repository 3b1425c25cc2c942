"""The architecture, from a Hugging Face `config.json`."""
