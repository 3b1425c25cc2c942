# SPDX-License-Identifier: Apache-2.0
"""A request from its price to its answer."""
