# SPDX-License-Identifier: Apache-2.0
"""What a person reads, and what programs read, of a demo."""
