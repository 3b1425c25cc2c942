# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC nodes: one node, the first of several that answers, or several that must agree.

No node is trusted. Calls are bounded in time and size; a node on another chain is never used.
"""
