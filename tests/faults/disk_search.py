# SPDX-License-Identifier: Apache-2.0
"""Searches a world's files for words of prompts and answers, in the usual encodings.

Files that only grow are searched from where the last search ended.
"""

from __future__ import annotations

import json
from pathlib import Path

from teetee.protocol.answer import Answer
from tests.faults.tiny_model import CANARY
from tests.system.encodings import encodings

OVERLAP_BYTES = 4096
SPELLED_TOKENS = 8
"""So many token ids in a row do not occur by chance."""


class DiskSearch:
    """`search` after each batch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}
        self._needles = {f"{name} of a word": found for name, found in encodings(CANARY).items()}
        self.searched_bytes = 0

    def add_answer(self, answer: Answer) -> None:
        """Its token ids are plain text too."""
        if len(answer.token_ids) >= SPELLED_TOKENS:
            ids = json.dumps(answer.token_ids[:SPELLED_TOKENS])[1:-1]
            self._needles[f"tokens {len(self._needles)}"] = ids.encode()
            self._needles[f"tokens {len(self._needles)}"] = ids.replace(" ", "").encode()

    def search(self) -> list[str]:
        """What was found, and where."""
        found = []
        for path in self._folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                found += self._search_file(path)
        return found

    def _search_file(self, path: Path) -> list[str]:
        grows = path.suffix in (".log", ".jsonl")
        start = max(0, self._read.get(path, 0) - OVERLAP_BYTES) if grows else 0
        try:
            with path.open("rb") as file:
                file.seek(start)
                content = file.read()
        except OSError:
            return []  # it was removed meanwhile
        self._read[path] = start + len(content)
        self.searched_bytes += len(content)
        return [f"{name} in {path}" for name, needle in self._needles.items() if needle in content]
