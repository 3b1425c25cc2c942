"""The wallet's side: ask, follow, read and audit. `teetee.command` is a thin layer over this
package.
"""
