# SPDX-License-Identifier: Apache-2.0
"""Tools for operators, outside the enclave: digest, split, plan, prepare and check a model."""
