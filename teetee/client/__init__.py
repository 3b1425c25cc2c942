# SPDX-License-Identifier: Apache-2.0
"""The wallet's side: ask, follow, read and audit. `teetee.cli` is a thin layer over this
package.
"""
