# SPDX-License-Identifier: Apache-2.0
"""Texts around the options in `--help`, laid out so that nothing breaks at 80 columns."""

from __future__ import annotations


def epilog(*examples: str, notes: str = "") -> str:
    """Example calls, one a line, then paragraphs of prose."""
    lines = "\n".join(f"$ {example}" for example in examples)
    return "\n\n".join(part for part in (lines, unwrapped(notes)) if part)


def unwrapped(text: str) -> str:
    """Each paragraph on one line: the terminal's width breaks it, not the source's."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
