# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of `make bench`. Results are committed under `results/` as JSON and tables."""
