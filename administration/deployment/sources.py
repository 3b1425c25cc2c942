# SPDX-License-Identifier: Apache-2.0
"""Compiles the contracts from the present sources before a deployment.

ape recompiles a file when the file changes, but not when one of its imports does: by itself, it can
deploy a contract that contains an outdated library.
"""

import hashlib
from pathlib import Path

from ape.managers.project import ProjectManager

# Beside ape's own cache, so that both are removed together.
STAMP = Path(".build") / "compiled-from.sha256"
OTHER_INPUTS = ("ape-config.yaml", "package-lock.json")


def compile_afresh(project: ProjectManager) -> None:
    """Compile all contracts, unless the last full compilation had the same inputs."""
    root = Path(project.path)
    stamp, digest = root / STAMP, _digest(root)
    if stamp.is_file() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    project.load_contracts(use_cache=False)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(digest)


def _digest(root: Path) -> str:
    """SHA-256 over names and contents of all inputs of the compilation, as hex."""
    files = sorted((root / "contracts").rglob("*.sol")) + [root / name for name in OTHER_INPUTS]
    whole = hashlib.sha256()
    for file in files:
        whole.update(str(file.relative_to(root)).encode() + b"\0")
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()
