# SPDX-License-Identifier: Apache-2.0
"""What envelopes are made of: the keys they are sealed to, and the padding of their content."""
