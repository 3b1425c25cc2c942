# SPDX-License-Identifier: Apache-2.0
"""The settings of a world that keeps running: a file for shells, and one for `demo host`.

Both lie beside the world's folder for its owner alone, and are removed when the world stops.
"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from demo.errors import WorldStarts
from demo.folders import world_process
from demo.world import World
from teetee.client.keystore import KEY_VARIABLE, PASSPHRASE_VARIABLE
from teetee.client.private_files import replace_private

PASSPHRASE = "world"
REQUESTER, HOST, ADMINISTRATOR = "requester", "host", "publisher"


@dataclass(frozen=True)
class KeptWorld:
    """What another process needs to use a running world. Paths are absolute."""

    directory: str
    chain_port: int
    deployment: str
    collateral: str
    """Address of the collateral service."""
    requester_key: str
    administrator_key: str
    host_keystore: str
    """A second wallet's key file, opened by the passphrase `world`."""
    model: str
    model_id: int
    layer_count: int

    @classmethod
    def create(cls, world: World) -> KeptWorld:
        """Write the settings of a world that has started, and the key file of its host wallet."""
        kept = cls._of(world)
        world.wallet(HOST).write_keystore(Path(kept.host_keystore), PASSPHRASE)
        kept.write()
        return kept

    @classmethod
    def _of(cls, world: World) -> KeptWorld:
        return cls(
            directory=str(world.folders.directory),
            chain_port=world.chain.port,
            deployment=str(world.folders.deployment),
            collateral=world.command.collateral,
            requester_key=world.wallet(REQUESTER).key,
            administrator_key=world.wallet(ADMINISTRATOR).key,
            host_keystore=str(world.folders.directory / "host.json"),
            model=str(world.model.folder),
            model_id=int(world.model_id),
            layer_count=world.model.manifest.layer_count,
        )

    @classmethod
    def load(cls, directory: Path) -> KeptWorld:
        """The settings of the world that runs in that folder.

        Raises `NoWorldRuns`; `WorldStarts` while there are no settings.
        """
        process_id = world_process(directory)
        try:
            return cls(**json.loads(_json_file(directory).read_text()))
        except FileNotFoundError:
            raise WorldStarts(directory, process_id) from None

    @property
    def shell_file(self) -> Path:
        """The file to `source`."""
        return _shell_file(Path(self.directory))

    @property
    def variables(self) -> dict[str, str]:
        """What the file exports, besides PATH."""
        url = f"http://127.0.0.1:{self.chain_port}"
        return {
            "TEETEE_RPC_URL": url,
            "TEETEE_DEPLOYMENT": self.deployment,
            "TEETEE_PCCS": self.collateral,
            "TEETEE_SIMULATED": "true",
            KEY_VARIABLE: self.requester_key,
            PASSPHRASE_VARIABLE: PASSPHRASE,
            "APE_FOUNDRY_HOST": url,
        }

    def write(self) -> None:
        """Write both files."""
        replace_private(_json_file(Path(self.directory)), json.dumps(asdict(self)).encode())
        replace_private(self.shell_file, self._shell_text().encode())

    def remove(self) -> None:
        """Remove all files."""
        host_keystore = Path(self.host_keystore)
        for path in (_json_file(Path(self.directory)), self.shell_file, host_keystore):
            path.unlink(missing_ok=True)

    def _shell_text(self) -> str:
        commands = shlex.quote(str(Path(sys.executable).parent))
        exports = [f"export {name}={shlex.quote(value)}" for name, value in self.variables.items()]
        administrator = f"{KEY_VARIABLE}={self.administrator_key}"
        return "\n".join(
            [
                f"# The world in {self.directory}. Removed when the world stops.",
                f'case ":$PATH:" in *:{commands}:*) ;; *) export PATH={commands}:"$PATH" ;; esac',
                *exports,
                f"# A host's wallet:         teetee … --keystore {shlex.quote(self.host_keystore)}",
                f"# The administrator's key: {administrator} toolchain/ape run admin …",
                "",
            ]
        )


def claim_for_wallets(world: World) -> None:
    """Both wallets claim tokens from the faucet. Raises what `RunningCommand.value` raises."""
    claims = [
        world.command.begin("faucet", "wallet", "faucet", wallet=world.wallet(role))
        for role in (REQUESTER, HOST)
    ]
    for claim in claims:
        claim.value()


def _shell_file(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.env")


def _json_file(directory: Path) -> Path:
    return directory / "world.json"
