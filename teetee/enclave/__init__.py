# SPDX-License-Identifier: Apache-2.0
"""An enclave's keys, the file in RAM that keeps them, and the guest agent that makes its quotes."""
