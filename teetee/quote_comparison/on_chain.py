# SPDX-License-Identifier: Apache-2.0
"""Our contracts' verdict: deploys them, uploads certificates and collateral, verifies the quote.

All blocks have the same time. Leaves every check to the contracts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from teetee.chain.contract_errors import show_argument
from teetee.errors import TeeTeeError
from teetee.quote_comparison.compiled_contracts import error_signatures, load_artefact
from teetee.quote_comparison.local_anvil import LAST_SECOND, LocalAnvil, Reverted
from teetee.quote_comparison.verdict import OnChainVerdict
from teetee.quotes.certificates.issuers import issuer_of
from teetee.quotes.certificates.pck_chain import certificate_id, certificates_from_pem
from teetee.quotes.collateral.folder import CollateralSet
from teetee.quotes.errors import CertificateMalformed
from teetee.quotes.quote import Quote
from teetee.quotes.tcb_status import TcbStatus

if TYPE_CHECKING:
    from web3.contract import Contract

CERTIFICATES: Final = "PckCertificates"
VERIFIER: Final = "DcapVerifier"
MAX_CERTIFICATES_ABOVE_LEAF: Final = 4
"""dcap-qvl's limit. Intel's chains have two: an authority and the root."""
ANY_COLLATERAL: Final = (0, 0)
"""A TcbPolicy: any evaluation number, any age until Intel's own expiry."""
_ERROR_STRING: Final = bytes.fromhex("08c379a0")


@dataclass(frozen=True)
class _Deployed:
    anvil: LocalAnvil
    certificates: Contract
    verifier: Contract

    def upload(self, contract: Contract, function: str, *arguments: Any) -> None:
        """Raises `_UploadRefused`."""
        data = _encode_call(contract, function, *arguments)
        try:
            self.anvil.transact(str(contract.address), data)
        except Reverted as reverted:
            raise _UploadRefused(function, reverted) from None


class _UploadRefused(Exception):
    """The contracts refused a certificate, collateral, or their deployment."""

    def __init__(self, function: str, reverted: Reverted) -> None:
        super().__init__(f"{function}: {explain_revert(reverted.data)}")


def verify_on_chain(
    anvil: LocalAnvil, raw: bytes, collateral: CollateralSet, at: int
) -> OnChainVerdict:
    """At Unix time `at`, with the collateral's root pinned. Raises `QuoteComparisonError`."""
    if not 0 <= at <= LAST_SECOND:
        return OnChainVerdict.refused(f"not a block's time: {at}")
    try:
        # The contracts see neither the quote's trailing bytes nor the root in its chain.
        quote, _ = Quote.parse_prefix(raw)
        leaf, authority = _leaf_and_authority(quote)
    except TeeTeeError as error:
        return OnChainVerdict.refused(str(error))
    anvil.reset(at)
    try:
        deployed = _deploy(anvil, collateral.root)
        _upload_evidence(deployed, leaf, authority, collateral)
    except _UploadRefused as error:
        return OnChainVerdict.refused(str(error))
    return _verify(deployed, quote, certificate_id(leaf))


def _leaf_and_authority(quote: Quote) -> tuple[bytes, bytes]:
    """Both are X.509. As in dcap-qvl, the certificates after the leaf may be in any order.

    Raises `CertificateMalformed`.
    """
    leaf, *above = certificates_from_pem(quote.pck_chain) or [b""]
    if not above:
        raise CertificateMalformed("of the machine comes without its authority's")
    if len(above) > MAX_CERTIFICATES_ABOVE_LEAF:
        raise CertificateMalformed(f"of the machine comes with {len(above)} others")
    certificate_id(leaf)
    authority = issuer_of(leaf, above) or above[0]
    certificate_id(authority)
    return leaf, authority


def _deploy(anvil: LocalAnvil, root: bytes) -> _Deployed:
    certificates = _create(anvil, CERTIFICATES, root)
    return _Deployed(anvil, certificates, _create(anvil, VERIFIER, certificates.address))


def _upload_evidence(
    deployed: _Deployed, leaf: bytes, authority: bytes, collateral: CollateralSet
) -> None:
    """Certificates first, then each CRL before the collateral that it may revoke."""
    certificates, verifier = deployed.certificates, deployed.verifier
    crl_issuer = collateral.pck_authority
    for der in dict.fromkeys((authority, crl_issuer)):
        deployed.upload(certificates, "addAuthority", der)
    for der in dict.fromkeys((collateral.tcb_signer, collateral.qe_signer)):
        deployed.upload(certificates, "addCollateralSigner", der)
    deployed.upload(certificates, "addPckCertificate", leaf, certificate_id(authority))
    deployed.upload(verifier, "updateRootCrl", collateral.root_crl)
    deployed.upload(verifier, "updatePckCrl", collateral.pck_crl, certificate_id(crl_issuer))
    for function, signed, signer in (
        ("updateTcbInfo", collateral.tcb_info, collateral.tcb_signer),
        ("updateQeIdentity", collateral.qe_identity, collateral.qe_signer),
    ):
        arguments = (signed.text.encode(), signed.signature, certificate_id(signer))
        deployed.upload(verifier, function, *arguments)


def _verify(deployed: _Deployed, quote: Quote, pck_id: bytes) -> OnChainVerdict:
    verifier = deployed.verifier
    data = _encode_call(verifier, "verifyQuote", quote.core, pck_id, ANY_COLLATERAL)
    try:
        gas = deployed.anvil.transact(str(verifier.address), data).gas_used
        answer = deployed.anvil.read(str(verifier.address), data)
    except Reverted as reverted:
        return OnChainVerdict.refused(explain_revert(reverted.data), reverted.gas_used)
    status = TcbStatus(_field(verifier, "verifyQuote", "tcbStatus", answer))
    if not status.is_acceptable:
        return OnChainVerdict.refused(f"TCB status {status.intel_name}", gas)
    return OnChainVerdict(ok=True, status=status.intel_name, gas=gas)


def explain_revert(data: bytes) -> str:
    """A refusal as `Name(argument=value, …)`."""
    if not data:
        return "refused without a reason"
    if data[:4] == _ERROR_STRING:
        return _decode_or_none(lambda: str(decode(["string"], data[4:])[0])) or "refused"
    found = error_signatures().get(data[:4])
    if found is None:
        return f"refused with 0x{data[:4].hex()}"
    name, names, types = found
    values = _decode_or_none(lambda: decode(types, data[4:])) or ()
    given = zip(names, values, strict=False)
    shown = (f"{key}={show_argument(name, key, value)}" for key, value in given)
    return f"{name}({', '.join(shown)})"


def _decode_or_none(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (DecodingError, ValueError):
        return None


def _create(anvil: LocalAnvil, name: str, *arguments: Any) -> Contract:
    from web3 import Web3

    compiled = load_artefact(name)
    factory = Web3().eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
    code = str(factory.constructor(*arguments).data_in_transaction)
    try:
        address = anvil.deploy(bytes.fromhex(code.removeprefix("0x")))
    except Reverted as reverted:
        raise _UploadRefused(f"deployment of {name}", reverted) from None
    return Web3().eth.contract(address=to_checksum_address(address), abi=compiled.abi)


def _encode_call(contract: Contract, function: str, *arguments: Any) -> bytes:
    return bytes.fromhex(contract.encode_abi(function, args=list(arguments)).removeprefix("0x"))


def _field(contract: Contract, function: str, field: str, answer: bytes) -> Any:
    """One field of the struct that the function returns."""
    abi = contract.get_function_by_name(function).abi
    (output,) = abi["outputs"]
    (values,) = decode([_tuple_type(output)], answer)
    return values[[component["name"] for component in output["components"]].index(field)]


def _tuple_type(output: Any) -> str:
    """A struct's type as the ABI names it, with structs inside it."""
    members = (
        _tuple_type(each) if each["type"] == "tuple" else each["type"]
        for each in output["components"]
    )
    return f"({','.join(members)})"
