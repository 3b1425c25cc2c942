# SPDX-License-Identifier: Apache-2.0
"""What to do after each of the contracts' custom errors, by the error's name.

The error itself says what happened and with which values; `contract_errors` puts both together.
"""

from typing import Final

UNKNOWN_ERROR: Final = "Read what it says about the values, correct them, and try again."
"""For errors of contracts that are not ours."""

_REPORT: Final = "This is a fault of TeeTee, not of your request: report it, please."
_TERMS: Final = "Correct the deployment's terms and deploy again."
_CHOOSE_PATH: Final = "Choose the path again from the registry."
_CHOOSE_RECIPIENTS: Final = "Choose the recipients again from the registry and seal again."
_REFUND_ONLY: Final = "Leave it: the request can only be refunded now."
_SETTLEMENT: Final = "Correct the settlement: the escrow pays only for what the path has signed."
_LATER_DEADLINE: Final = "Ask again with a later deadline."
_SYNC: Final = "Upload current collateral: `teetee collateral sync --pccs URL`."
_FIRMWARE: Final = (
    "Have the machine's firmware updated; `teetee collateral show` lists the collateral in force."
)
_FRESH_QUOTE: Final = "Ask the enclave for a fresh quote."
_OTHER_MACHINE: Final = "Ask the model's publisher, or use another machine."
_HARDWARE_QUOTE: Final = "Run the enclave in a TD that Intel's own modules attest."
_TD_SETTINGS: Final = "Start the TD with production attributes: no debugging, no migration."
_INTEL_CERTIFICATE: Final = "Use a certificate that Intel issued, in DER, exactly as it was issued."
_PUBLISHED_COLLATERAL: Final = "Use collateral exactly as Intel's PCS or a PCCS publishes it."
_AUTOMATA_COLLATERAL: Final = "Upload it to Automata's on-chain PCCS, which anyone may do."
_SIGN_AGAIN: Final = "Sign again: with the owner's key, for this token and chain, in time."
_ACCOUNTS_ROLE: Final = "Use an account with the role; `ape run admin roles` lists the holders."
_MODEL_TERMS: Final = "Correct the model's terms and publish it again."
_LAYER_RANGE: Final = "Start the enclave with layers inside the model; an entry begins at layer 0."
_NOTHING_TO_DO: Final = "Nothing: the change that you asked for is in effect already."

NEXT_STEPS: Final = {
    # Opening a request
    "RequestsPaused": "Try again later; open requests, refunds and withdrawals are not affected.",
    "NoRecipients": "Name one to four entry shards as recipients.",
    "TooManyRecipients": "Name one to four entry shards as recipients.",
    "DuplicateRecipient": "Name each recipient once.",
    "RecipientOfOtherModel": "Choose entry shards of the request's model.",
    "RecipientNotEntry": "Choose entry shards as recipients.",
    "RecipientInactive": _CHOOSE_RECIPIENTS,
    "ZeroCap": "Allow at least one input token and one output token.",
    "CapsAboveContext": "Shorten the prompt or ask for a shorter answer.",
    "DeadlinePassed": "Ask again with a later deadline, and check this machine's clock.",
    "DeadlineTooNear": _LATER_DEADLINE,
    "DeadlineTooFar": "Ask again with an earlier deadline.",
    "EnvelopeEmpty": "Seal the prompt and send the envelope with the request.",
    "EnvelopeTooLarge": "Shorten the messages.",
    "DepositAboveLimit": "Read the price again; raise the limit only if you agree with it.",
    "TokenAllowanceTooLow": (
        "Approve the escrow, or sign a fresh permit: the old one may have been used up."
    ),
    "AuthorizationTooLow": "Authorize at least the deposit less your credit.",
    "EscrowNotBound": "Bind the escrow to the registry first: `ape run deploy` does.",
    # A request's life
    "UnknownRequest": "Check the request's number, and that the chain is the one it was made on.",
    "RequestNotOpen": "Read the request: its status says how it ended.",
    "SettlementTooLate": _REFUND_ONLY,
    "DeclineTooEarly": "Wait for the takeover time.",
    "DeclineTooLate": _REFUND_ONLY,
    "RefundTooEarly": "Wait until the deadline has passed.",
    "NotARecipientsSigner": "Send from the enclave of one of the request's recipients.",
    # Settling it
    "NoReceipts": _SETTLEMENT,
    "AnswerEmpty": _SETTLEMENT,
    "AnswerTooLarge": "Limit the answer to fewer tokens.",
    "InputTokensOutOfRange": _SETTLEMENT,
    "OutputTokensOutOfRange": _SETTLEMENT,
    "EntryNotRecipient": "Begin the path with a recipient of the request.",
    "StageUnknown": _CHOOSE_PATH,
    "StageInactive": "Have its host renew it in time, or run the request on another path.",
    "StagePaused": "Have the shard rechecked with fresh collateral, or use another path.",
    "TooFewHosts": "Choose a path over more hosts, as the model's policy requires.",
    "TooFewPlatforms": "Choose a path over more platforms, as the model's policy requires.",
    "WrongModel": _CHOOSE_PATH,
    "PathGap": _CHOOSE_PATH,
    "PathOverlap": _CHOOSE_PATH,
    "PathIncomplete": _CHOOSE_PATH,
    "CommitmentMismatch": "Discard the run: two neighbours disagree about the data between them.",
    "WrongSigner": _SETTLEMENT,
    "SettlementNotSigned": _SETTLEMENT,
    # Accounts and free use
    "NothingToWithdraw": "Refunds and earnings become credit; it pays for requests first.",
    "NotTheShardsHost": "Use the host's key.",
    "AllowanceShardInactive": "Renew the shard first, or pay.",
    "AllowanceShardOfOtherModel": "Ask the model that the shard serves, or pay.",
    "HostAllowanceExhausted": "Ask for fewer tokens, wait for the next UTC day, or pay.",
    # The token
    "FaucetTooSoon": "Wait until the time it names.",
    "FaucetOff": "Have tokens sent to you: this network's token has no faucet.",
    "FaucetEmpty": "Have tokens sent to you.",
    "FaucetReserveAboveCap": _TERMS,
    "ERC20InsufficientBalance": "Get tokens first: on test networks from the faucet.",
    "ERC20InsufficientAllowance": "Approve it first.",
    "ERC20InvalidApprover": "Use an address other than zero.",
    "ERC20InvalidReceiver": "Use an address other than zero.",
    "ERC20InvalidSender": "Use an address other than zero.",
    "ERC20InvalidSpender": "Use an address other than zero.",
    "ERC2612ExpiredSignature": _SIGN_AGAIN,
    "ERC2612InvalidSigner": _SIGN_AGAIN,
    "ERC3009InvalidAuthorizationTime": _SIGN_AGAIN,
    "ERC3009InvalidSignature": _SIGN_AGAIN,
    "ERC3009UsedAuthorization": "Sign a new authorization with a new nonce.",
    "ECDSAInvalidSignature": _SIGN_AGAIN,
    "ECDSAInvalidSignatureLength": _SIGN_AGAIN,
    "ECDSAInvalidSignatureS": _SIGN_AGAIN,
    "InvalidAccountNonce": "Read the nonce again and sign again.",
    "SafeERC20FailedOperation": "Check balance and allowance; then try again.",
    # Enrolment, renewal and leaving
    "UnknownShard": "List the shards with `teetee shards`.",
    "LayerRangeInvalid": _LAYER_RANGE,
    "EntryMustStartAtLayerZero": _LAYER_RANGE,
    "TooManyShards": "Enrol at another deployment: this registry's ids are used up.",
    "EndpointLengthInvalid": "Give the endpoint as host:port.",
    "EndpointNotPrintable": "Give the endpoint as host:port, in ASCII without spaces.",
    "SignerAlreadyEnrolled": "Renew that shard instead, or withdraw its bond first.",
    "RekeyQuoteNotNewer": "Wait for the next block, then ask the enclave for a fresh quote.",
    "BlockHashUnknown": "Ask the enclave for a fresh quote over a recent block.",
    "ReportDataMismatch": (
        "Check host, layers, model, registry and chain in the enclave's settings."
    ),
    "ReportDataUpperHalfNotZero": _FRESH_QUOTE,
    "EnrolmentNotSigned": "Ask the enclave again, with this endpoint and payout address.",
    "IdentityMismatch": "Renew with the enrolled enclave, or enrol this one as a new shard.",
    "MeasurementNotAllowed": (
        "Run one of the allowed images, or have the measurement allowed first."
    ),
    "PlatformNoLongerCertified": "Get the machine's current PCK certificate and a fresh quote.",
    "PlatformIsDenied": _OTHER_MACHINE,
    "TcbStatusRefused": _FIRMWARE,
    "TdFeaturesRefused": "Start the TD with the attributes that the model's policy allows.",
    "VerdictMalformed": _REPORT,
    "NotTheHost": "Use the host's key.",
    "ShardNotActive": "Renew it if it was evicted; enrol it again if it was retired.",
    "ShardNotRenewable": "Enrol the enclave again: a retired shard cannot be renewed.",
    "ShardReplaced": "Read the shard that took its place, or its events.",
    "ShardStillFit": "Leave the shard alone.",
    "ClaimsMismatch": "Read the shard again: it was renewed.",
    # Bonds and payouts
    "ZeroPayout": "Name a payout address.",
    "PayoutRefused": "Name an address that can send tokens on.",
    "BondNotWhole": "Add what is missing with `teetee host top-up`; then renew it.",
    "ZeroAmount": "Name an amount above zero.",
    "PayoutFixed": "Use the payout address on record; only it can name another.",
    "NotThePayout": "Send from the payout address.",
    "BondInUse": "Retire the shard first.",
    "BondStillLocked": "Wait until the time it names.",
    "NothingBonded": "It was withdrawn, or used up by penalties.",
    "NotTheEscrow": "Only the escrow calls this.",
    "EscrowAlreadyBound": "Nothing: a registry has one escrow for ever.",
    "ZeroEscrow": _TERMS,
    # Verifying a quote
    "QuoteLengthInvalid": _FRESH_QUOTE,
    "QuoteKindUnsupported": "Use a TDX quote of version 4 or 5, signed over P-256.",
    "QuoteBodyUnsupported": "Use a TDX quote of version 4 or 5, signed over P-256.",
    "QuoteUnknown": "Have the quote verified there before it is rechecked.",
    "QuoteSignatureInvalid": _FRESH_QUOTE,
    "QeReportSignatureInvalid": "Check that the PCK certificate is the one inside the quote.",
    "AttestationKeyNotBound": _FRESH_QUOTE,
    "QeVendorUnknown": _HARDWARE_QUOTE,
    "QeDebuggable": _HARDWARE_QUOTE,
    "QeIdentityUnknown": "Update the machine's quoting enclave; then take a fresh quote.",
    "TdAttributesRefused": _TD_SETTINGS,
    "TdxModuleRefused": _HARDWARE_QUOTE,
    "TdOwnerRefused": "Start the TD without owner fields, as dstack does.",
    "ServiceTdRefused": "Start the TD without a service TD.",
    "PckChainExpired": "Get the machine's current PCK certificate and a fresh quote.",
    "PckRevoked": "Use another machine: Intel has revoked this one's certificate.",
    "CollateralMissing": _SYNC,
    "TcbRefused": _FIRMWARE,
    "P256SelfTestFailed": "Use a chain whose P-256 precompile (RIP-7212) is correct.",
    # Certificates
    "PckCertificateUnknown": "Add the PCK certificate first; `teetee host enrol` does.",
    "AuthorityUnknown": "Add the authority's certificate first.",
    "CollateralSignerUnknown": "Add the signer's certificate first; `teetee collateral sync` does.",
    "CertificateNotInForce": "Use a certificate that is valid now.",
    "IssuerExpired": "Use a certificate below an authority that is valid now.",
    "CertificateKindWrong": "Add leaves as PCK certificates and authorities as authorities.",
    "NotACollateralSigner": "Name the certificate of Intel's TCB signer.",
    "TooManyCertificates": _REPORT,
    "RecordNotCreated": "Try again with a higher gas limit.",
    "RootInvalid": "Name Intel's SGX root CA certificate.",
    "CertificateSignatureInvalid": _INTEL_CERTIFICATE,
    "IssuerMismatch": _INTEL_CERTIFICATE,
    "PlatformMissing": _INTEL_CERTIFICATE,
    "CertificateSerialInvalid": _INTEL_CERTIFICATE,
    "CertificateTimeInvalid": _INTEL_CERTIFICATE,
    "CertificateTooLong": _INTEL_CERTIFICATE,
    "DerBytesTrailing": _INTEL_CERTIFICATE,
    "DerIntegerInvalid": _INTEL_CERTIFICATE,
    "DerLengthInvalid": _INTEL_CERTIFICATE,
    "DerTagUnexpected": _INTEL_CERTIFICATE,
    "DerTruncated": _INTEL_CERTIFICATE,
    "DerValueUnexpected": _INTEL_CERTIFICATE,
    "ExtensionMissing": _INTEL_CERTIFICATE,
    "ExtensionRepeated": _INTEL_CERTIFICATE,
    "ExtensionUnknown": _INTEL_CERTIFICATE,
    "KeyUsageInvalid": _INTEL_CERTIFICATE,
    "SecurityVersionInvalid": _INTEL_CERTIFICATE,
    # Collateral
    "CollateralNotNewer": "Nothing: someone else has uploaded it already.",
    "CollateralNotInForce": "Fetch the current one and upload that.",
    "CollateralIssuerExpired": "Fetch collateral that a valid certificate signs.",
    "CollateralIssuerRevoked": "Fetch collateral that a valid certificate signs.",
    "RootCrlMissing": "Upload the root CRL first; `teetee collateral sync` does.",
    "CrlIssuerMismatch": "Upload each CRL for the authority that issued it.",
    "EvaluationNumberTooHigh": _REPORT,
    "CrlDateInvalid": _PUBLISHED_COLLATERAL,
    "CrlEntryInvalid": _PUBLISHED_COLLATERAL,
    "CrlPartLengthInvalid": "Upload a long CRL with `teetee collateral sync`.",
    "CrlPartUnknown": "Upload all parts of the CRL first; `teetee collateral sync` does.",
    "CrlPagesMissing": "Have all pages sorted first; `teetee collateral sync` does.",
    "CrlPageEndInvalid": "Go on where the sorted pages end; `teetee collateral sync` does.",
    "CrlPageLengthInvalid": "Choose another end of the page; `teetee collateral sync` does.",
    "RevocationReasonInvalid": _PUBLISHED_COLLATERAL,
    "CollateralSignatureInvalid": _PUBLISHED_COLLATERAL,
    "CollateralSignatureLengthInvalid": _PUBLISHED_COLLATERAL,
    # Automata's verifier
    "AutomataRefused": "Read Automata's reason; TCBR: have the machine's firmware updated.",
    "AutomataMissing": "Name the address of Automata's contract on this chain.",
    "AutomataOutputUnexpected": "Use version 1.1 of Automata's contract.",
    "CollateralAgeUnknown": "Set a policy without a maximum age of collateral.",
    "CertificateChainLengthInvalid": "Send the PEM chain behind the quote's core.",
    "Insufficient_Funds": "Use a verifier that charges no fee.",
    "Forbidden": "Have the caller listed by the owner of Automata's contracts.",
    "CertExpiredOrNotFound": _AUTOMATA_COLLATERAL,
    "CrlExpiredOrNotFound": _AUTOMATA_COLLATERAL,
    "FmspcTcbExpiredOrNotFound": _AUTOMATA_COLLATERAL,
    "QEIdentityExpiredOrNotFound": _AUTOMATA_COLLATERAL,
    "TcbEvalExpiredOrNotFound": _AUTOMATA_COLLATERAL,
    # Publishing and governing models
    "UnknownModel": "List the models with `teetee models`.",
    "NoLayers": _MODEL_TERMS,
    "TooManyLayers": _MODEL_TERMS,
    "ZeroContextLength": _MODEL_TERMS,
    "ZeroPrice": _MODEL_TERMS,
    "RoyaltyTooHigh": _MODEL_TERMS,
    "RoyaltyWithoutRecipient": _MODEL_TERMS,
    "ZeroMeasurement": "Name the 32-byte measurement of an image.",
    "NotARaise": "Raise at least one price and lower none.",
    "NotAReduction": "Lower at least one price and raise none.",
    "NotATightening": "Require more in at least one point and less in none; or set it with notice.",
    "PolicyInvalid": "Accept only statuses that Intel stands by, and an existing number.",
    "MeasurementAlreadyAllowed": _NOTHING_TO_DO,
    "PlatformAlreadyDenied": _NOTHING_TO_DO,
    "PlatformNotDenied": _NOTHING_TO_DO,
    "PlatformAlreadyListed": _NOTHING_TO_DO,
    "PlatformNotListed": _NOTHING_TO_DO,
    # Roles and notice periods
    "AccessManagedUnauthorized": _ACCOUNTS_ROLE,
    "AccessManagerUnauthorizedAccount": _ACCOUNTS_ROLE,
    "AccessManagerUnauthorizedCall": _ACCOUNTS_ROLE,
    "AccessManagerUnauthorizedCancel": _ACCOUNTS_ROLE,
    "AccessManagerUnauthorizedConsume": _ACCOUNTS_ROLE,
    "AccessManagedRequiredDelay": "Announce the call first, and make it after the notice period.",
    "AccessManagerNotScheduled": "Announce the call first, and make it after the notice period.",
    "AccessManagerAlreadyScheduled": "Wait for the notice period: the call is announced already.",
    "AccessManagerNotReady": "Wait until the notice period is over.",
    "AccessManagerExpired": "Announce the call again: it was not made in time.",
    "AccessManagerBadConfirmation": "Renounce a role from the account that holds it.",
    "AccessManagerLockedRole": "Leave it: the admin and public roles cannot be changed.",
    "AccessManagerLockedFunction": "Leave it: that function's role cannot be changed.",
    "AccessManagerInvalidInitialAdmin": _TERMS,
    "AccessManagedInvalidAuthority": "Name a contract as the authority.",
    # Deployment
    "ZeroAddress": _TERMS,
    "FeeTooHigh": _TERMS,
    "WindowsInvalid": _TERMS,
    "UnbondingTooShort": _TERMS,
    "SupplyTooLarge": _TERMS,
    "OtherToken": _TERMS,
    "NoAttestationPeriod": _TERMS,
    "NoUnbondingPeriod": _TERMS,
    "StringTooLong": _TERMS,
    "InvalidShortString": _REPORT,
    "AddressEmptyCode": "Check the address: it has no contract.",
    "FailedCall": "Simulate the inner call to see why it fails.",
    "InsufficientBalance": "Send ETH to the contract first.",
    "SafeCastOverflowedUintDowncast": _REPORT,
    "ReentrancyGuardReentrantCall": "Do not call the contract from inside its own transfer.",
}
