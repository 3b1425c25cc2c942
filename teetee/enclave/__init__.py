# SPDX-License-Identifier: Apache-2.0
"""What an enclave has of its own: its keys, and the guest agent that makes them and its quotes."""
