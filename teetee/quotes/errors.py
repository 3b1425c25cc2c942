# SPDX-License-Identifier: Apache-2.0
"""Errors about quotes and the collateral that they are verified with.

QuoteError (Fatal)
├── QuoteUnreadable           the file contains no quote
├── QuoteMalformed            not a TDX quote of version 4 or 5 with its PCK chain
├── CertificateMalformed      not a certificate, or not the expected kind
├── CertificateUnreadable     the file contains no certificate
├── ComposeInvalid            not an app-compose document
├── CollateralInvalid         not collateral, or not in force at that time
├── PccsAddressInvalid        not an http:// or https:// address
├── NoCollateralInFolder      a folder without any collateral
├── QuoteRefused              an invalid signature, chain or platform state
└── TcbStatusRefused          valid signatures, but the platform is out of date
CollateralUnavailable (Retryable)  the PCCS does not answer, or without collateral
"""

from teetee.errors import Fatal, Retryable


class QuoteError(Fatal):
    """The root of errors about quotes that a retry cannot fix."""


class QuoteUnreadable(QuoteError):
    """The file contains no quote."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        super().__init__(
            f"No quote can be read from {place}: {reason}. Name a file with the quote's bytes, "
            "raw, in hexadecimal or in base64, or with JSON that contains one."
        )


class QuoteMalformed(QuoteError):
    """Not a TDX quote of version 4 or 5 with its PCK chain."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"Not a quote that TeeTee can read: it {rule}. Check that it was copied in full, or "
            "ask the guest agent for a fresh quote."
        )


class CertificateMalformed(QuoteError):
    """Not a certificate, or not the expected kind."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"The certificate {rule}. Take the chain from the quote that it belongs to."
        )


class CertificateUnreadable(QuoteError):
    """The file contains no certificate."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        super().__init__(
            f"No certificate can be read from {place}: {reason}. Name a file with one X.509 "
            "certificate, DER or PEM."
        )


class ComposeInvalid(QuoteError):
    """Not an app-compose document."""

    def __init__(self, source: str, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"{source} is not an app-compose document: it {rule}. Give dstack's app-compose.json, "
            "which holds the docker-compose file as text."
        )


class CollateralInvalid(QuoteError):
    """Not collateral, or not in force at that time."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The collateral {rule}. Fetch current collateral for this quote.")


class PccsAddressInvalid(QuoteError):
    """Not an address of a PCCS."""

    def __init__(self, shown: str) -> None:
        super().__init__(
            f"{shown!r} is not the address of a PCCS: it must begin with https:// or http://, and "
            "a host must follow. Correct --pccs, or TEETEE_PCCS."
        )


class NoCollateralInFolder(QuoteError):
    """A folder without any collateral."""

    def __init__(self, folder: str, names: tuple[str, ...]) -> None:
        self.folder = folder
        super().__init__(
            f"{folder} contains no collateral: none of {', '.join(names)}. Name the folder that "
            "contains these files, not its parent."
        )


class QuoteRefused(QuoteError):
    """An invalid signature, chain or platform state."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The quote is not valid: {reason}. Do not trust the enclave it is from.")


class TcbStatusRefused(QuoteError):
    """The signatures are valid, but the platform is out of date."""

    def __init__(self, status: str, advisory_ids: tuple[str, ...]) -> None:
        self.status = status
        self.advisory_ids = advisory_ids
        known = f" ({', '.join(advisory_ids)})" if advisory_ids else ""
        super().__init__(
            f"The platform of the quote is {status}{known}. "
            "Have its host update the firmware, or accept that status by name."
        )


class CollateralUnavailable(Retryable):
    """The PCCS does not answer, or has no collateral for this platform."""

    def __init__(self, url: str, reason: str, status: int | None = None) -> None:
        self.url = url
        self.reason = reason
        self.status = status
        """Of the HTTP answer, if there was one."""
        super().__init__(f"No collateral from {url}: {reason}. Try again, or name another PCCS.")
