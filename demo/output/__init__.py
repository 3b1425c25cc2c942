# SPDX-License-Identifier: Apache-2.0
"""What a demo prints for people, and its report for programs."""
