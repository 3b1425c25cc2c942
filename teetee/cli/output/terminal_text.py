# SPDX-License-Identifier: Apache-2.0
"""Makes untrusted text (answers, model names, endpoints) safe to print on a terminal."""

from __future__ import annotations

import unicodedata

KEPT = {"\n", "\t"}
# Control (Cc) would move the cursor or recolour; format (Cf) holds bidirectional overrides, but
# also the joiners that emoji and several scripts need.
JOINERS = {"\u200c", "\u200d"}


def harmless(text: str) -> str:
    """Remove control and direction-changing characters except newline and tab. The pieces of a text
    give the same as the whole.
    """
    return "".join(character for character in text if _printable(character))


def one_line(text: str) -> str:
    """Make it harmless, and one line."""
    return harmless(text).replace("\n", " ").replace("\t", " ")


def _printable(character: str) -> bool:
    if character in KEPT or character in JOINERS:
        return True
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
