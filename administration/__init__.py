# SPDX-License-Identifier: Apache-2.0
"""What the `ape run` commands are made of. Runs under ape, on an administrator's machine."""
