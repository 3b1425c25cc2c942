# SPDX-License-Identifier: Apache-2.0
"""The formats that wallets, enclaves and contracts share byte for byte: docs/protocol.md."""
