# SPDX-License-Identifier: Apache-2.0
"""Two verifiers of the same evidence: our contracts on a local chain, and dcap-qvl."""

from dataclasses import dataclass
from typing import Any

import dcap_qvl
from eth_abi.abi import decode, encode
from web3 import HTTPProvider, Web3

from teetee.quotes.errors import QuoteError
from tests.attestation.evidence import Evidence
from tests.teetee.chain.local_chain import load_artefact, role

STATUSES = (
    "Unchecked",
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
    "NotSupported",
)
"""Intel's spelling of the values of TcbStatus."""

GAS = 1 << 24
"""Base's limit for one transaction (EIP-7825). A whole verification fits into it."""
PANIC = bytes.fromhex("4e487b71")

_EVIDENCE = "(" + ",".join(["bytes"] * 10) + ")"
_POLICY = "(uint16,uint32)"
_CLAIMS = "(" + ",".join(["bytes32"] * 8) + ")"
_VERIFIED = f"({_CLAIMS},bytes32,bytes32,uint8,uint16,uint40,uint40)"
_SELECTOR = Web3.keccak(text=f"verify({_EVIDENCE},{_POLICY})")[:4]


@dataclass(frozen=True)
class Verdict:
    """A verifier's result."""

    ok: bool
    status: str | None
    error: str | None
    facts: tuple[Any, ...] = ()


class ChainVerifier:
    """DcapVerifier with empty stores, called by `eth_call`, which leaves no trace."""

    def __init__(self, url: str, root: bytes) -> None:
        self.web3 = Web3(HTTPProvider(url, exception_retry_configuration=None))
        self._deployer = role("verifier's deployer")
        self.rpc("anvil_setBalance", self._deployer.address, hex(10**21))
        self.rpc("evm_mine")  # calls on top of anvil's first block would be at second 1
        self.certificates = self.create("PckCertificates", root)
        self.verifier = self.create("DcapVerifier", self.certificates)
        self.one_call_verifier = self.create("OneCallVerifier", self.verifier)
        self._errors = {
            bytes(Web3.keccak(text=_signature(item))[:4]): item["name"]
            for name in _REVERTING
            for item in load_artefact(name)["abi"]
            if item["type"] == "error"
        }

    def rpc(self, method: str, *parameters: Any) -> Any:
        """A call that web3 does not know."""
        answer = self.web3.provider.make_request(method, list(parameters))  # type: ignore[arg-type]
        assert "error" not in answer, answer
        return answer.get("result")

    def create(self, name: str, *arguments: Any) -> str:
        """Deploy one contract; its address."""
        compiled = load_artefact(name)
        factory = self.web3.eth.contract(
            abi=compiled["abi"], bytecode=compiled["bytecode"]["object"]
        )
        transaction = factory.constructor(*arguments).build_transaction(
            {
                "from": self._deployer.address,
                "nonce": self.web3.eth.get_transaction_count(self._deployer.address),
            }
        )
        signed = self._deployer.sign_transaction(transaction)
        sent = self.web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        assert receipt["status"] == 1, name
        return str(receipt["contractAddress"])

    def verdict(self, evidence: Evidence, at: int, minimum: int = 0, max_age: int = 0) -> Verdict:
        """At that Unix second, with all evidence in the call. Fails the test on a panic or if gas
        runs out."""
        data = _SELECTOR + encode([_EVIDENCE, _POLICY], [evidence.to_abi(), (minimum, max_age)])
        call = {"to": self.one_call_verifier, "data": "0x" + data.hex(), "gas": hex(GAS)}
        answer = self.web3.provider.make_request(
            "eth_call",  # type: ignore[arg-type]
            [call, "latest", {}, {"time": hex(at)}],
        )
        if "error" in answer:
            return Verdict(False, None, self._error_name(answer["error"]))
        (facts,) = decode([_VERIFIED], bytes.fromhex(answer["result"][2:]))
        return Verdict(True, STATUSES[facts[3]], None, facts)

    def _error_name(self, error: Any) -> str:
        data = bytes.fromhex(str(error.get("data") or "0x")[2:])
        assert data, f"reverted without a reason: out of gas, or a bug: {error}"
        assert data[:4] != PANIC, f"panic {data[4:].hex()}"
        return self._errors[data[:4]]


_REVERTING = (
    "DcapVerifier",
    "PckCertificates",
    "CollateralReader",
    "CrlReader",
    "Der",
    "CertificateTime",
    "X509",
    "X509Extensions",
    "PckExtension",
    "CollateralJson",
    "TdxQuote",
)


def _signature(item: dict[str, Any]) -> str:
    return f"{item['name']}({','.join(each['type'] for each in item['inputs'])})"


def dcap_qvl_verdict(evidence: Evidence, root: bytes, at: int) -> Verdict:
    """The independent verifier's."""
    try:
        report = dcap_qvl.verify_with_root_ca(
            evidence.quote(root), evidence.to_dcap_qvl(root), root, at
        )
    except (ValueError, QuoteError) as error:
        return Verdict(False, None, str(error).replace("\n", " "))
    return Verdict(True, report.status, None)
