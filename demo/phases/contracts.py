# SPDX-License-Identifier: Apache-2.0
"""Deploys the contracts and publishes the model, by the scripts that do it on Base."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from demo.folders import Folders
from demo.local_chain import LocalChain
from demo.plan import ROOT
from demo.processes.environment import environment
from demo.processes.process_group import Argument
from demo.processes.run_process import RunningProcess
from demo.processes.supervisor import Supervisor
from demo.wallets import Wallet
from tee_simulator.collateral.conditions import STANDARD_NUMBER

APE = ROOT / "toolchain" / "ape"
# The first deployment compiles the contracts.
SECONDS = 600.0

# A publisher's terms. SmolLM2-135M's embedding and head have as many weights as eight layers;
# prices are in TEE per LLM token. The evaluation number is that of the simulated collateral, which
# is uploaded meanwhile.
MODEL_TERMS = (
    *("--input-price", "0.0001", "--output-price", "0.0003"),
    *("--royalty-bps", "500", "--entry-layer-equivalents", "8"),
    *("--minimum-evaluation-number", str(STANDARD_NUMBER)),
)


@dataclass(frozen=True)
class Scripts:
    """`ape run …` on the local chain, by `publisher`, who also deploys."""

    supervisor: Supervisor
    folders: Folders
    chain: LocalChain
    publisher: Wallet

    def begin_deployment(self, root_ca: Path, treasury: Wallet) -> RunningProcess:
        """Deploy the contracts. Quotes must chain to `root_ca`."""
        return self._begin("deploy", "--root-ca", root_ca, "--treasury", treasury.address)

    def publish(self, measurements: Iterable[bytes]) -> None:
        """Publish the model for images with these measurements. Raises `ProcessEnded`."""
        named: list[Argument] = []
        for measurement in measurements:
            named += ["--measurement", "0x" + measurement.hex()]
        manifest = ("--manifest", self.folders.manifest)
        self._begin("publish_model", *manifest, *MODEL_TERMS, *named).finish(SECONDS)

    def _begin(self, script: str, *arguments: Argument) -> RunningProcess:
        more = {
            "APE_FOUNDRY_HOST": self.chain.url,
            "TEETEE_DEPLOYMENT": str(self.folders.deployment),
            **self.publisher.environment,
        }
        argv: list[Argument] = [APE, "run", script, *arguments]
        return self.supervisor.begin(f"ape-{script}", argv, environment(more), logs_stdout=True)
