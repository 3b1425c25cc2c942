# SPDX-License-Identifier: Apache-2.0
"""Collateral (TCB info, QE identity, CRLs and their issuer chains) in dcap-qvl's JSON form."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import dcap_qvl
from cryptography import x509

from teetee.protocol.json import shallow as shallow_json
from teetee.quotes.errors import CollateralInvalid


@dataclass(frozen=True, repr=False)
class Collateral:
    """Collateral for one kind of platform: all machines with the same FMSPC."""

    json: str
    """In dcap-qvl's form, so that it can be stored beside a quote."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `json`. Raises `CollateralInvalid`."""
        return cls(cls(text).to_dcap_qvl().to_json())

    def to_dcap_qvl(self) -> dcap_qvl.QuoteCollateralV3:
        """For the verifier, without a PCK chain, which would override the quote's own.

        dcap-qvl includes the chain of the quote that the collateral was fetched for; with it, the
        quotes of all other machines of the kind would be refused. Raises `CollateralInvalid`.
        """
        try:
            parts = dcap_qvl.QuoteCollateralV3.from_json(self.json)
        except ValueError as error:
            raise CollateralInvalid("is not in dcap-qvl's form") from error
        return dcap_qvl.QuoteCollateralV3(
            parts.pck_crl_issuer_chain,
            parts.root_ca_crl,
            parts.pck_crl,
            parts.tcb_info_issuer_chain,
            parts.tcb_info,
            parts.tcb_info_signature,
            parts.qe_identity_issuer_chain,
            parts.qe_identity,
            parts.qe_identity_signature,
        )

    def require_crls_issued(self, at: int) -> None:
        """Raises `CollateralInvalid` for a CRL issued after `at`, which dcap-qvl accepts."""
        parts = self.to_dcap_qvl()
        for name, der in (("root CRL", parts.root_ca_crl), ("PCK CRL", parts.pck_crl)):
            try:
                issued = x509.load_der_x509_crl(der).last_update_utc
            except ValueError as error:
                raise CollateralInvalid(f"has a malformed {name}") from error
            if issued > datetime.fromtimestamp(at, UTC):
                raise CollateralInvalid(f"has a {name} issued only at {issued.isoformat()}")

    @property
    def fmspc(self) -> str:
        """The platforms' FMSPC: 12 hex digits, upper case. Raises `CollateralInvalid`."""
        try:
            return str(shallow_json.load(self.to_dcap_qvl().tcb_info.encode())["fmspc"]).upper()
        except (ValueError, KeyError, TypeError) as error:
            raise CollateralInvalid("has TCB info without FMSPC") from error

    def __repr__(self) -> str:
        return f"Collateral({len(self.json)} characters)"
