# SPDX-License-Identifier: Apache-2.0
"""The test PKI: keys, certificates, signatures."""
