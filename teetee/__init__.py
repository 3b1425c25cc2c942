# SPDX-License-Identifier: Apache-2.0
"""The protocol that wallets and enclaves share, the bindings to the chain, and the client.

Start at docs/protocol.md.
"""
