"""What `make bench` runs. Results are committed under `results/`, as JSON and as tables."""
