# SPDX-License-Identifier: Apache-2.0
"""A simulated machine and its guest."""
