# SPDX-License-Identifier: Apache-2.0
"""The file that keeps an enclave's keys in memory.

given a folder on tmpfs
    when a process starts again
        it should have the same keys
    when another chain, registry or escrow is named
        all keys should differ, and the first should stay as they are
    when another process has them open
        it should be refused
given a folder on a disk, of another user's reach, or with a file that is not a whole set of keys
    it should be refused, unless the machine is simulated and only the disk is wrong
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from teetee.enclave import key_file
from teetee.enclave.key_file import KeyFile, KeyScope, is_in_memory
from teetee.enclave.keys import EnclaveKeys
from teetee.errors import KeyFileRefused

MEMORY = Path("/dev/shm")
SCOPE = KeyScope(
    8453,
    "0x0000000000000000000000000000000000001234",
    "0x0000000000000000000000000000000000005678",
)

pytestmark = pytest.mark.skipif(
    not is_in_memory(MEMORY), reason="this machine has no tmpfs at /dev/shm"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as path:
        yield Path(path) / "keys"


def open_once(folder: Path, scope: KeyScope = SCOPE, *, allow_disk: bool = False) -> EnclaveKeys:
    file = KeyFile(folder, scope, allow_disk=allow_disk)
    keys, _ = file.open()
    file.close()
    return keys


def test_open__second_start__has_the_same_keys(folder: Path) -> None:
    file = KeyFile(folder, SCOPE)
    first, is_new = file.open()
    assert is_new
    file.close()
    again, is_new_again = file.open()
    assert not is_new_again
    assert (again.keyset, again.signer.key) == (first.keyset, first.signer.key)


def test_c1_open__two_machines__have_different_keysets(folder: Path) -> None:
    first, second = open_once(folder / "first"), open_once(folder / "second")
    assert first.keyset.signer != second.keyset.signer
    assert first.keyset.kem != second.keyset.kem
    assert first.keyset.tls != second.keyset.tls


@pytest.mark.parametrize("field", ["chain_id", "registry", "escrow"])
def test_h2_open__another_chain_registry_or_escrow__shares_no_key(folder: Path, field: str) -> None:
    other = 1 if field == "chain_id" else "0x0000000000000000000000000000000000009999"
    first = open_once(folder)
    elsewhere = open_once(folder, replace(SCOPE, **{field: other}))
    assert first.keyset.signer != elsewhere.keyset.signer
    assert first.keyset.kem != elsewhere.keyset.kem
    assert first.keyset.tls != elsewhere.keyset.tls
    assert open_once(folder).keyset == first.keyset


def test_c1_open__folder_on_a_disk__is_refused_unless_simulated(tmp_path: Path) -> None:
    if is_in_memory(tmp_path):
        pytest.skip("the temporary folder is on tmpfs")
    folder = tmp_path / "keys"
    with pytest.raises(KeyFileRefused) as refused:
        open_once(folder)
    assert "is not on tmpfs" in str(refused.value)
    assert list(folder.iterdir()) == []
    assert open_once(folder, allow_disk=True).keyset == open_once(folder, allow_disk=True).keyset


def test_open__written_file__is_private_and_whole(folder: Path) -> None:
    open_once(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    (kept,) = folder.glob("*.keys")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert sorted(path.suffix for path in folder.iterdir()) == [".keys", ".lock"]


def test_open__in_use__is_refused(folder: Path) -> None:
    first = KeyFile(folder, SCOPE)
    first.open()
    with pytest.raises(KeyFileRefused) as refused:
        KeyFile(folder, SCOPE).open()
    assert refused.value.problem == "is in use by another process"
    first.close()
    open_once(folder)


def test_open__folder_open_to_others__is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    with pytest.raises(KeyFileRefused) as refused:
        open_once(folder)
    assert "mode must be 700" in refused.value.problem


def test_open__folder_is_a_link__is_refused(folder: Path) -> None:
    elsewhere = folder.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    with pytest.raises(KeyFileRefused) as refused:
        open_once(folder)
    assert refused.value.problem == "is not a folder of this process's user"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _open_to_others(path: Path) -> None:
    path.chmod(0o644)


def _of_another_scope(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_cut, _open_to_others, _of_another_scope])
def test_open__file_that_it_did_not_write__is_refused_and_shows_no_key(
    folder: Path, damage: object
) -> None:
    keys = open_once(folder)
    (kept,) = folder.glob("*.keys")
    assert callable(damage)
    damage(kept)
    with pytest.raises(KeyFileRefused) as refused:
        open_once(folder)
    assert "did not write" in refused.value.problem
    assert keys.signer.key.hex() not in str(refused.value)


def test_open__crash_while_writing__leaves_no_half_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(key_file.os, "replace", fail)
    with pytest.raises(KeyFileRefused):
        open_once(folder)
    assert [path.suffix for path in folder.iterdir()] == [".lock"]
    monkeypatch.undo()
    open_once(folder)


def test_is_in_memory__real_file_systems__tells_them_apart() -> None:
    assert is_in_memory(MEMORY)
    assert not is_in_memory(Path("/proc"))
    assert not is_in_memory(Path("/nowhere"))
    assert os.path.ismount(MEMORY)
