# SPDX-License-Identifier: Apache-2.0
"""One deployment for all contract tests, made by the script that deploys on Base.

ape takes every test back afterwards: what a fixture does to the chain lasts as long as its scope.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ape.api import AccountAPI
from ape.contracts import ContractInstance
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from tee_simulator import TestPki
from teetee.chain.deployment import Deployment
from teetee.protocol.layers import LayerRange
from tests.contracts.collateral import bring_collateral
from tests.contracts.enclaves import MANIFEST, Enclave
from tests.contracts.enrolment import EnrolledShard, enrol, enrolment_of
from tests.contracts.scripts import Scripts

DELAY = 3600
BOND = 100 * 10**18
INPUT_PRICE, OUTPUT_PRICE = 10**14, 3 * 10**14
ROYALTY_BPS, ENTRY_LAYER_EQUIVALENTS = 500, 2

ROLES = (
    "deployer",
    "admin",
    "publisher",
    "notice_giver",
    "guardian",
    "treasury",
    "requester",
    "entry_host",
    "last_host",
    "stranger",
)


@dataclass(frozen=True)
class Cast:
    """One account per role; `named` gives the name which scripts take."""

    deployer: AccountAPI
    admin: AccountAPI
    publisher: AccountAPI
    notice_giver: AccountAPI
    guardian: AccountAPI
    treasury: AccountAPI
    requester: AccountAPI
    entry_host: AccountAPI
    last_host: AccountAPI
    stranger: AccountAPI

    @staticmethod
    def named(role: str) -> str:
        return f"TEST::{ROLES.index(role)}"


@dataclass(frozen=True)
class House:
    """The deployed contracts, and the file that says where they are."""

    deployment: Deployment
    token: ContractInstance
    registry: ContractInstance
    escrow: ContractInstance
    verifier: ContractInstance
    certificates: ContractInstance
    manager: ContractInstance


@pytest.fixture(scope="session")
def cast(accounts: Any) -> Cast:
    return Cast(**{role: accounts[index] for index, role in enumerate(ROLES)})


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deployed")


@pytest.fixture(scope="session")
def pki(folder: Path) -> TestPki:
    return TestPki.open(folder / "pki")


@pytest.fixture(scope="session")
def deploy_arguments(pki: TestPki, folder: Path, cast: Cast) -> list[str]:
    """Each role to an account of its own, and an hour's notice."""
    holders = ("admin", "publisher", "notice_giver", "guardian", "treasury")
    named = [
        part
        for role in holders
        for part in (f"--{role.replace('_', '-')}", getattr(cast, role).address)
    ]
    delays = ["--admin-delay", "1h", "--notice-delay", "1h"]
    return ["deploy", "--root-ca", str(folder / "pki" / "root.pem"), *named, *delays]


@pytest.fixture(scope="session")
def scripts(folder: Path) -> Scripts:
    return Scripts(folder / "deployment.json")


@pytest.fixture(scope="session")
def house(
    scripts: Scripts, deploy_arguments: list[str], cast: Cast, project: ProjectManager, chain: Any
) -> House:
    scripts.succeed(*deploy_arguments, account=cast.named("deployer"))
    deployment = Deployment.load(scripts.deployment)
    abi = Path(__file__).parents[2] / "teetee" / "abi" / "AccessManager.json"
    return House(
        deployment,
        token=project.UsageToken.at(deployment.token),
        registry=project.ShardRegistry.at(deployment.registry),
        escrow=project.InferenceEscrow.at(deployment.escrow),
        verifier=project.DcapVerifier.at(deployment.verifier),
        certificates=project.PckCertificates.at(deployment.certificates),
        manager=chain.contracts.instance_at(deployment.access_manager, abi=abi),
    )


@pytest.fixture(scope="session")
def entry(folder: Path, pki: TestPki) -> Enclave:
    return Enclave.start(folder, "entry", pki, LayerRange(0, 2))


@pytest.fixture(scope="session")
def last(folder: Path, pki: TestPki) -> Enclave:
    return Enclave.start(folder, "last", pki, LayerRange(2, 4))


@pytest.fixture(scope="session")
def publish(scripts: Scripts, house: House, folder: Path, entry: Enclave) -> Callable[..., Any]:
    """Publishes the four-layer model, as whoever is named."""
    manifest = folder / "manifest.json"
    manifest.write_text(MANIFEST.to_json())

    def publish(*more: str, by: str = "publisher") -> dict[str, Any]:
        return scripts.facts(
            *("publish_model", "--manifest", str(manifest)),
            *("--input-price", f"{INPUT_PRICE} wei", "--output-price", f"{OUTPUT_PRICE} wei"),
            *("--royalty-bps", str(ROYALTY_BPS)),
            *("--entry-layer-equivalents", str(ENTRY_LAYER_EQUIVALENTS)),
            *("--measurement", "0x" + entry.measurement.hex(), *more),
            account=Cast.named(by),
        )

    return publish


@pytest.fixture(scope="session")
def model_id(publish: Callable[..., Any]) -> int:
    published: int = publish()["modelId"]
    return published


@pytest.fixture(scope="session")
def collateral(house: House, pki: TestPki, cast: Cast, chain: ChainManager) -> datetime:
    """What Intel says of the simulated machines, all well; when it was issued."""
    now = datetime.fromtimestamp(chain.pending_timestamp, UTC)
    return bring_collateral(house, pki, cast.stranger, now)


@pytest.fixture(scope="session")
def path(
    house: House, cast: Cast, model_id: int, entry: Enclave, last: Enclave, collateral: datetime
) -> tuple[EnrolledShard, EnrolledShard]:
    """Two shards of two hosts: together they serve the whole model."""

    def enrolled(host: AccountAPI, enclave: Enclave) -> EnrolledShard:
        house.token.transfer(host, BOND, sender=cast.treasury)
        return enrol(house, enclave, host, enrolment_of(house, enclave, host, model_id))

    return enrolled(cast.entry_host, entry), enrolled(cast.last_host, last)
