# SPDX-License-Identifier: Apache-2.0
"""The speed of a ring of stages, compared with other systems."""
