# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of a running process: `/health`, `/metrics`, and what they are made of."""
