# SPDX-License-Identifier: Apache-2.0
"""How fast a ring of stages computes, beside others that do the same."""
