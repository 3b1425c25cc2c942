# SPDX-License-Identifier: Apache-2.0
"""The contracts' values as dataclasses."""
