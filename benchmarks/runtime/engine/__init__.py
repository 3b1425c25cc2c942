# SPDX-License-Identifier: Apache-2.0
"""What is measured of TeeTee: a ring of stages, and the native step alone."""
