# SPDX-License-Identifier: Apache-2.0
"""Our contracts' verdict: deployed anew, given certificates and collateral, asked about the quote.

Everything happens in blocks of the same second, as if somebody had brought it all at once. Nothing
is checked here that the contracts check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from web3 import Web3
from web3.contract import Contract

from teetee.errors import TeeTeeError
from teetee.quote_comparison.compiled_contracts import artefact, error_signatures
from teetee.quote_comparison.local_anvil import LAST_SECOND, PrivateChain, Reverted
from teetee.quote_comparison.verdict import OnChainVerdict
from teetee.quotes.certificates.issuers import issuer_of
from teetee.quotes.certificates.pck_chain import certificate_id, pem_bodies
from teetee.quotes.collateral.folder import CollateralSet
from teetee.quotes.errors import CertificateMalformed
from teetee.quotes.quote import Quote
from teetee.quotes.tcb_status import TcbStatus

CERTIFICATES: Final = "PckCertificates"
VERIFIER: Final = "DcapVerifier"
MOST_ABOVE_A_LEAF: Final = 4
"""As dcap-qvl: Intel's chains have an authority and the root."""
ANY_COLLATERAL: Final = (0, 0)
"""A TcbPolicy: every evaluation number, every age up to Intel's own end."""
_ERROR_STRING: Final = bytes.fromhex("08c379a0")


@dataclass(frozen=True)
class _Deployed:
    chain: PrivateChain
    certificates: Contract
    verifier: Contract

    def bring(self, contract: Contract, function: str, *arguments: Any) -> None:
        """Raises `_NotTaken`."""
        data = _encoded(contract, function, *arguments)
        try:
            self.chain.send(str(contract.address), data)
        except Reverted as reverted:
            raise _NotTaken(function, reverted) from None


class _NotTaken(Exception):
    """The contracts did not take what a verdict rests on."""

    def __init__(self, function: str, reverted: Reverted) -> None:
        super().__init__(f"{function}: {explained(reverted.data)}")


def judge(chain: PrivateChain, raw: bytes, collateral: CollateralSet, at: int) -> OnChainVerdict:
    """At that Unix second, with the collateral's root pinned. Raises `VerdictError`s alone."""
    if not 0 <= at <= LAST_SECOND:
        return OnChainVerdict.refused(f"no time of a block: {at}")
    try:
        # As it is on chain, where nobody sees what stands behind a quote, or its root.
        quote, _ = Quote.parse_ahead(raw)
        leaf, authority = _leaf_and_authority(quote)
    except TeeTeeError as error:
        return OnChainVerdict.refused(str(error))
    chain.begin(at)
    try:
        deployed = _deploy(chain, collateral.root)
        _bring(deployed, leaf, authority, collateral)
    except _NotTaken as error:
        return OnChainVerdict.refused(str(error))
    return _verified(deployed, quote, certificate_id(leaf))


def _leaf_and_authority(quote: Quote) -> tuple[bytes, bytes]:
    """Both are X.509. What stands behind the leaf may stand in any order, as with dcap-qvl.

    Raises `CertificateMalformed`.
    """
    leaf, *above = pem_bodies(quote.pck_chain) or [b""]
    if not above:
        raise CertificateMalformed("of the machine comes without its authority's")
    if len(above) > MOST_ABOVE_A_LEAF:
        raise CertificateMalformed(f"of the machine comes with {len(above)} others")
    certificate_id(leaf)
    authority = issuer_of(leaf, above) or above[0]
    certificate_id(authority)
    return leaf, authority


def _deploy(chain: PrivateChain, root: bytes) -> _Deployed:
    certificates = _created(chain, CERTIFICATES, root)
    return _Deployed(chain, certificates, _created(chain, VERIFIER, certificates.address))


def _bring(deployed: _Deployed, leaf: bytes, authority: bytes, collateral: CollateralSet) -> None:
    """Certificates first, the CRLs before what they may forbid."""
    certificates, verifier = deployed.certificates, deployed.verifier
    of_crl = collateral.pck_authority
    for der in dict.fromkeys((authority, of_crl)):
        deployed.bring(certificates, "addAuthority", der)
    for der in dict.fromkeys((collateral.tcb_signer, collateral.qe_signer)):
        deployed.bring(certificates, "addCollateralSigner", der)
    deployed.bring(certificates, "addPckCertificate", leaf, certificate_id(authority))
    deployed.bring(verifier, "updateRootCrl", collateral.root_crl)
    deployed.bring(verifier, "updatePckCrl", collateral.pck_crl, certificate_id(of_crl))
    for function, signed, signer in (
        ("updateTcbInfo", collateral.tcb_info, collateral.tcb_signer),
        ("updateQeIdentity", collateral.qe_identity, collateral.qe_signer),
    ):
        arguments = (signed.text.encode(), signed.signature, certificate_id(signer))
        deployed.bring(verifier, function, *arguments)


def _verified(deployed: _Deployed, quote: Quote, pck_id: bytes) -> OnChainVerdict:
    verifier = deployed.verifier
    data = _encoded(verifier, "verifyQuote", quote.core, pck_id, ANY_COLLATERAL)
    try:
        gas = deployed.chain.send(str(verifier.address), data).gas_used
        answer = deployed.chain.read(str(verifier.address), data)
    except Reverted as reverted:
        return OnChainVerdict.refused(explained(reverted.data), reverted.gas_used)
    status = TcbStatus(_field(verifier, "verifyQuote", "tcbStatus", answer))
    if not status.is_known:
        return OnChainVerdict.refused(f"TCB status {status.intel_name}", gas)
    return OnChainVerdict(ok=True, status=status.intel_name, gas=gas)


def explained(data: bytes) -> str:
    """A refusal as `Name(argument=value, …)`."""
    if not data:
        return "refused without a reason"
    if data[:4] == _ERROR_STRING:
        return _safely(lambda: str(decode(["string"], data[4:])[0])) or "refused"
    found = error_signatures().get(data[:4])
    if found is None:
        return f"refused with 0x{data[:4].hex()}"
    name, names, types = found
    values = _safely(lambda: decode(types, data[4:])) or ()
    if name == "TcbRefused" and values:
        values = (TcbStatus(values[0]).intel_name,)
    shown = (f"{key}={_shown(value)}" for key, value in zip(names, values, strict=False))
    return f"{name}({', '.join(shown)})"


def _safely(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (DecodingError, ValueError):
        return None


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def _created(chain: PrivateChain, name: str, *arguments: Any) -> Contract:
    compiled = artefact(name)
    factory = Web3().eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
    code = str(factory.constructor(*arguments).data_in_transaction)
    try:
        address = chain.create(bytes.fromhex(code.removeprefix("0x")))
    except Reverted as reverted:
        raise _NotTaken(f"deployment of {name}", reverted) from None
    return Web3().eth.contract(address=Web3.to_checksum_address(address), abi=compiled.abi)


def _encoded(contract: Contract, function: str, *arguments: Any) -> bytes:
    return bytes.fromhex(contract.encode_abi(function, args=list(arguments)).removeprefix("0x"))


def _field(contract: Contract, function: str, field: str, answer: bytes) -> Any:
    """One field of the struct that a function returns."""
    abi = contract.get_function_by_name(function).abi
    (output,) = abi["outputs"]
    components = output["components"]
    types = [component["type"] for component in components]
    (values,) = decode([f"({','.join(types)})"], answer)
    return values[[component["name"] for component in components].index(field)]
