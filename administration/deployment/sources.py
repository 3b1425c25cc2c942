# SPDX-License-Identifier: Apache-2.0
"""Makes sure that what is deployed was compiled from the sources as they are now.

ape compiles a file anew when the file has changed, and not when something that it imports has: left
alone, it can deploy a contract with yesterday's library in it.
"""

import hashlib
from pathlib import Path

from ape.managers.project import ProjectManager

# Beside ape's own cache, so that whoever removes the one removes the other.
STAMP = Path(".build") / "compiled-from.sha256"
ALSO_DECISIVE = ("ape-config.yaml", "package-lock.json")


def compile_afresh(project: ProjectManager) -> None:
    """Compile all contracts unless the last time that all were compiled was from the same bytes."""
    root = Path(project.path)
    stamp, digest = root / STAMP, _digest(root)
    if stamp.is_file() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    project.load_contracts(use_cache=False)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(digest)


def _digest(root: Path) -> str:
    """SHA-256 over names and contents of what decides about the bytecode, as hex."""
    files = sorted((root / "contracts").rglob("*.sol")) + [root / name for name in ALSO_DECISIVE]
    whole = hashlib.sha256()
    for file in files:
        whole.update(str(file.relative_to(root)).encode() + b"\0")
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()
