"""JSON from outside: strict, shallow, and framed with its length."""
