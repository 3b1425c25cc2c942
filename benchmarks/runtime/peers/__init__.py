"""What TeeTee is compared with: llama.cpp and transformers."""
