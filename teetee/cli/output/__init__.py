# SPDX-License-Identifier: Apache-2.0
"""What the command prints, for people and for programs."""
