# SPDX-License-Identifier: Apache-2.0
"""What `make bench` runs. Results are committed under `results/`, as JSON and as tables."""
