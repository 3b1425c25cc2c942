# SPDX-License-Identifier: Apache-2.0
"""`python -m demo` and its subcommands: ask (the default), world, host, stop."""
