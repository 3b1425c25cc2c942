# SPDX-License-Identifier: Apache-2.0
"""The whole system. A package, so that its world ends with the last of its tests."""
