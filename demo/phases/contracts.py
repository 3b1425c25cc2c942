# SPDX-License-Identifier: Apache-2.0
"""The contracts and the model, put on chain by the scripts that put them on Base."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from demo.folders import Folders
from demo.local_chain import LocalChain
from demo.plan import ROOT
from demo.processes.environment import environment
from demo.processes.process_group import Argument
from demo.processes.supervisor import Supervisor
from demo.wallets import Wallet
from teetee.chain.deployment import Deployment

APE = ROOT / "toolchain" / "ape"
NETWORK = "base:local:foundry"
# The first call compiles the contracts.
SECONDS = 600.0


# What a model's publisher decides. SmolLM2-135M's embedding and head have the weights of eight
# layers; prices are in TEE per LLM token.
TERMS = (
    *("--input-price", "0.0001", "--output-price", "0.0003"),
    *("--royalty-bps", "500", "--entry-layer-equivalents", "8"),
)


@dataclass(frozen=True)
class Scripts:
    """`ape run …` on the local chain, by `publisher`, who deploys as well."""

    supervisor: Supervisor
    folders: Folders
    chain: LocalChain
    publisher: Wallet

    def deploy(self, root_ca: Path, treasury: Wallet) -> Deployment:
        """The contracts; quotes have to chain to `root_ca`. Raises `ProcessEnded`."""
        self._run("deploy", "--root-ca", root_ca, "--treasury", treasury.address)
        return Deployment.load(self.folders.deployment)

    def publish(self, measurements: Iterable[bytes]) -> None:
        """The model of the manifest, which the images with these measurements may run."""
        named: list[Argument] = []
        for measurement in measurements:
            named += ["--measurement", "0x" + measurement.hex()]
        self._run("publish_model", "--manifest", self.folders.manifest, *TERMS, *named)

    def _run(self, script: str, *arguments: Argument) -> None:
        more = {
            "APE_FOUNDRY_HOST": self.chain.url,
            "TEETEE_DEPLOYMENT": str(self.folders.deployment),
            **self.publisher.environment,
        }
        argv: list[Argument] = [APE, "run", script, "--network", NETWORK, *arguments]
        name = f"ape-{script}"
        self.supervisor.run(name, argv, environment(more), seconds=SECONDS, log_out=True)
