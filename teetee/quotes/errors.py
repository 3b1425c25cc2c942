# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a quote or with what it is checked against.

QuoteError (Fatal)
├── QuoteUnreadable           no file with a quote in it
├── QuoteMalformed            not a TDX quote of version 4 or 5 with its PCK chain
├── CertificateMalformed      not a certificate, or not the one expected there
├── CertificateUnreadable     no file with a certificate in it
├── ComposeInvalid            not an app-compose document
├── CollateralInvalid         not collateral, or not in force at that time
├── CollateralElsewhere       a folder without any collateral
├── QuoteRefused              a signature, a chain or a platform's state does not hold
└── TcbStatusRefused          all signatures hold, and the platform is behind
CollateralUnavailable (Retryable)  the PCCS does not answer, or not with collateral
"""

from teetee.errors import Fatal, Retryable


class QuoteError(Fatal):
    """Whatever is wrong with a quote: it will be wrong again."""


class QuoteUnreadable(QuoteError):
    """No file with a quote in it."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        super().__init__(
            f"No quote can be read from {place}: {reason}. Name a file with the quote's bytes, "
            "raw, in hexadecimal, or in base64."
        )


class QuoteMalformed(QuoteError):
    """Not a TDX quote of version 4 or 5 with its PCK chain."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"Not a quote that TeeTee can read: it {rule}. Ask the guest agent for a fresh quote."
        )


class CertificateMalformed(QuoteError):
    """Not a certificate, or not the one expected there."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"The certificate {rule}. Take the chain from the quote that it belongs to."
        )


class CertificateUnreadable(QuoteError):
    """No file with a certificate in it."""

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
        super().__init__(f"The collateral {rule}. Fetch it anew for this quote.")


class CollateralElsewhere(QuoteError):
    """A folder without any collateral."""

    def __init__(self, folder: str, names: tuple[str, ...]) -> None:
        self.folder = folder
        super().__init__(
            f"{folder} holds no collateral: none of {', '.join(names)}. Name the folder that they "
            "are in, not the one around it."
        )


class QuoteRefused(QuoteError):
    """A signature, a chain or a platform's state does not hold."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The quote proves nothing: {reason}. Do not trust the enclave it is from."
        )


class TcbStatusRefused(QuoteError):
    """All signatures hold, and the platform is behind."""

    def __init__(self, status: str, advisory_ids: tuple[str, ...]) -> None:
        self.status = status
        self.advisory_ids = advisory_ids
        known = f" ({', '.join(advisory_ids)})" if advisory_ids else ""
        super().__init__(
            f"The platform of the quote is {status}{known}. "
            "Have its host update it, or accept that status by name."
        )


class CollateralUnavailable(Retryable):
    """The PCCS does not answer, or not with collateral for this platform."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"No collateral from {url}: {reason}. Try again, or name another PCCS.")
