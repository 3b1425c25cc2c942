"""GGUF files: header, architecture, tokenizer."""
