# SPDX-License-Identifier: Apache-2.0
"""Fetches the collateral of a quote's platform, in the form that the off-chain verifier reads."""

from __future__ import annotations

import dcap_qvl

from teetee.chain.contracts.collateral import PlatformKind
from teetee.collateral.pccs import PLATFORM_CA, PROCESSOR_CA, PccsReader
from teetee.quotes.certificates.issuers import common_name
from teetee.quotes.certificates.pck_chain import to_pem
from teetee.quotes.certificates.pck_platform import PckPlatform
from teetee.quotes.collateral.dcap_qvl_json import Collateral
from teetee.quotes.errors import CertificateMalformed, CollateralInvalid
from teetee.quotes.quote import Quote


def fetch_collateral(pccs_url: str, quote: bytes) -> Collateral:
    """Collateral for the quote's platform from a PCCS, or from Intel's PCS.

    Blocks, possibly for minutes; call it in a thread from asynchronous code. Raises
    `QuoteMalformed`, `CertificateMalformed`, `PccsAddressInvalid`, `CollateralUnavailable`,
    `CollateralInvalid`.
    """
    leaf, authority, _ = Quote.parse(quote).pck_chain_der()
    platform = PckPlatform.parse(leaf)
    reader = PccsReader(pccs_url)
    info = reader.tcb_info(PlatformKind(platform.fmspc, platform.pce_id))
    identity = reader.qe_identity()
    is_processor = "Processor" in common_name(authority)
    crl = reader.pck_crl(PROCESSOR_CA if is_processor else PLATFORM_CA)
    root_crl = reader.root_crl(crl.root)
    try:
        parts = dcap_qvl.QuoteCollateralV3(
            to_pem(crl.issuer) + to_pem(crl.root),
            root_crl.der,
            crl.der,
            to_pem(info.signer) + to_pem(info.root),
            info.signed.text,
            info.signed.signature,
            to_pem(identity.signer) + to_pem(identity.root),
            identity.signed.text,
            identity.signed.signature,
        )
    except CertificateMalformed as error:
        raise CollateralInvalid(f"comes with a certificate that {error.rule}") from error
    return Collateral(parts.to_json())
