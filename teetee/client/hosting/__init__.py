# SPDX-License-Identifier: Apache-2.0
"""A host's side: enrolling an enclave, renewing it, managing its bond."""
