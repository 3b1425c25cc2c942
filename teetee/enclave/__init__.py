# SPDX-License-Identifier: Apache-2.0
"""An enclave's keys, and the guest agent from which it gets them and its quotes."""
