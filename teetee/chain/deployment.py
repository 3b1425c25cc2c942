# SPDX-License-Identifier: Apache-2.0
"""A network's contracts, and the models and images that wallets trust: one file per network,
written by `ape run deploy`, `ape run publish_model` and `ape run admin`.

The files of public networks are committed under `deployments/`; the local chain's is a build
product. Independent of web3, so that administration can use it.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eth_utils.address import is_checksum_address

from teetee.chain.errors import DeploymentInvalid, NotDeployed
from teetee.chain.trusted_models import TrustedModel, parse_models, replaced
from teetee.protocol.json import shallow as shallow_json

LOCAL_NETWORK = "base-local"
ROOT = Path(__file__).parents[2]
_CONTRACTS = {
    "token": "token",
    "registry": "registry",
    "escrow": "escrow",
    "verifier": "verifier",
    "certificates": "certificates",
    "accessManager": "access_manager",
}
_FIELDS = {"network", "chainId", "deployedAtBlock", "rootCaFingerprint", "contracts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The addresses (checksummed) of one network's contracts."""

    network: str
    chain_id: int
    token: str
    registry: str
    escrow: str
    verifier: str
    certificates: str
    """The contract that stores the platforms' PCK certificates."""
    access_manager: str
    deployed_at_block: int
    """None of these contracts' events is older."""
    root_ca_fingerprint: bytes
    """SHA-256 of the DER of the root certificate that the verifier trusts, 32 bytes."""
    models: tuple[TrustedModel, ...] = ()
    """The models whose enclaves wallets may trust, by number."""

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Read a file. Raises `NotDeployed`, `DeploymentInvalid`."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise NotDeployed(path.stem, str(path)) from None
        except OSError as error:
            reason = f"cannot be read ({error.strerror or type(error).__name__})"
            raise DeploymentInvalid(str(path), "the file", reason) from None
        return cls._from_json(content, path)

    @classmethod
    def parse(cls, text: str) -> "Deployment":
        """From the file's content. Raises `NotDeployed`, `DeploymentInvalid`."""
        return cls._from_json(text.encode(), Path("the deployment"))

    @classmethod
    def _from_json(cls, content: bytes, path: Path) -> "Deployment":
        try:
            value = shallow_json.load(content, allow_byte_order_mark=True)
        except ValueError as error:
            raise DeploymentInvalid(str(path), "the file", str(error)) from None
        if not isinstance(value, dict) or not isinstance(value.get("contracts"), dict):
            raise DeploymentInvalid(str(path), "contracts", "must be an object")
        if not value["contracts"]:
            raise NotDeployed(path.stem, str(path))
        return _parse(path, value)

    def save(self, path: Path) -> None:
        """Write the file, creating its folder if needed."""
        value = {
            "network": self.network,
            "chainId": self.chain_id,
            "deployedAtBlock": self.deployed_at_block,
            "rootCaFingerprint": "0x" + self.root_ca_fingerprint.hex(),
            "contracts": {name: getattr(self, field) for name, field in _CONTRACTS.items()},
            "models": [model.to_json() for model in self.models],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=2) + "\n")

    def trusted_model(self, model_id: int) -> TrustedModel | None:
        """None: wallets trust no enclave of this model."""
        found = [model for model in self.models if model.model_id == model_id]
        return found[0] if found else None

    def with_model(self, model: TrustedModel) -> "Deployment":
        """With this model, in place of one with its number."""
        return replace(self, models=replaced(self.models, model))


def deployment_path(network: str, root: Path = ROOT) -> Path:
    """The file of a network, e.g. `base-sepolia`."""
    folder = root / "build" / "deployments" if network == LOCAL_NETWORK else root / "deployments"
    return folder / f"{network}.json"


def known_networks(root: Path = ROOT) -> list[str]:
    """The local one, and those with a committed file."""
    return sorted({LOCAL_NETWORK, *(path.stem for path in (root / "deployments").glob("*.json"))})


def _parse(path: Path, value: dict[str, Any]) -> Deployment:
    if set(value) - {"models"} != _FIELDS or set(value["contracts"]) != set(_CONTRACTS):
        raise DeploymentInvalid(
            str(path), "the file", f"must have exactly {sorted(_FIELDS)} and {sorted(_CONTRACTS)}"
        )
    for name, address in value["contracts"].items():
        if not is_checksum_address(address):
            raise DeploymentInvalid(str(path), name, "must be a checksummed address")
    for name in ("chainId", "deployedAtBlock"):
        if not isinstance(value[name], int) or isinstance(value[name], bool) or value[name] < 0:
            raise DeploymentInvalid(str(path), name, "must be a whole number")
    fingerprint = value["rootCaFingerprint"]
    try:
        root_ca = bytes.fromhex(fingerprint.removeprefix("0x"))
    except (AttributeError, TypeError, ValueError):
        root_ca = b""
    if len(root_ca) != 32:
        raise DeploymentInvalid(str(path), "rootCaFingerprint", "must be 32 bytes as hex with 0x")
    try:
        models = parse_models(value.get("models", []))
    except ValueError as error:
        raise DeploymentInvalid(str(path), "models", str(error)) from None
    return Deployment(
        network=str(value["network"]),
        chain_id=value["chainId"],
        deployed_at_block=value["deployedAtBlock"],
        root_ca_fingerprint=root_ca,
        models=models,
        **{field: value["contracts"][name] for name, field in _CONTRACTS.items()},
    )
