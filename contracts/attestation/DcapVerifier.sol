// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {TcbStatus, VerifiedQuote} from "../types/VerifiedQuote.sol";
import {IDcapVerifier} from "./IDcapVerifier.sol";
import {IPckCertificates, PckCertificate} from "./IPckCertificates.sol";
import {P256Key, P256Signature, P256Verification} from "./P256Verification.sol";
import {TdxQuote} from "./TdxQuote.sol";

/// @title DcapVerifier
/// @notice See {IDcapVerifier}.
/// @dev The trust runs root → authority → PCK (checked when {IPckCertificates} stored it) → QE report → attestation
/// key → quote. It has no state, so a verifier which also reads collateral takes its place behind the same
/// port, over the same certificates.
contract DcapVerifier is IDcapVerifier {
    using TdxQuote for bytes;

    IPckCertificates private immutable _CERTIFICATES;
    bool private immutable _NATIVE_P256;

    // version 4, key type 2 (ECDSA over P-256), TEE type 0x81 (TDX); little-endian
    bytes8 private constant _TDX_QUOTE_V4 = hex"0400020081000000";
    bytes16 private constant _INTEL_QE_VENDOR = hex"939a7233f79c4ca9940a0db3957f0607";

    // MRSIGNER and ISVPRODID in Intel's signed identity "TD_QE". Without them any SGX enclave with the provisioning
    // attribute could vouch for an attestation key: the machine's PCK signs its report as well.
    bytes32 private constant _TD_QE_MRSIGNER = hex"dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5";
    uint16 private constant _TD_QE_PRODUCT = 2;

    // TD attributes, bit n of the little-endian number: 28 SEPT_VE_DISABLE must be set; 30 protection keys, 31 key
    // locker and 63 performance counters may be; all others (debug, migratable, reserved) must not.
    bytes8 private constant _SEPT_VE_DISABLE = hex"0000001000000000";
    bytes8 private constant _HARMLESS = hex"000000c000000080";

    /// @param certificates_ The store, which pins the root.
    constructor(IPckCertificates certificates_) {
        _CERTIFICATES = certificates_;
        _NATIVE_P256 = P256Verification.detect();
    }

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata quote, bytes32 pckId) external view returns (VerifiedQuote memory verified) {
        if (quote.length != TdxQuote.BYTES) revert QuoteLengthInvalid(quote.length);
        _requireKind(quote);
        _requireProtected(quote);
        PckCertificate memory pck = _CERTIFICATES.pckCertificate(pckId);
        if (block.timestamp > pck.expiresAt) revert PckChainExpired(pckId, pck.expiresAt);
        _requireQuotingEnclave({quote: quote, pckId: pckId, pck: pck});
        _requireSigned(quote);

        (bytes32 low, bytes32 high) = quote.reportData();
        return VerifiedQuote({
            measurement: quote.measurement(),
            reportDataLow: low,
            reportDataHigh: high,
            platformId: keccak256(abi.encodePacked(pck.ppid)),
            quoteHash: keccak256(quote),
            tcbStatus: TcbStatus.UNCHECKED,
            validUntil: pck.expiresAt,
            teeTcbSvn: quote.teeTcbSvn(),
            tdAttributes: quote.tdAttributes(),
            xfam: quote.xfam()
        });
    }

    /// @inheritdoc IDcapVerifier
    function certificates() external view returns (IPckCertificates) {
        return _CERTIFICATES;
    }

    function _requireKind(bytes calldata quote) private pure {
        if (quote.kind() != _TDX_QUOTE_V4) revert QuoteKindUnsupported(quote.kind());
        if (quote.qeVendor() != _INTEL_QE_VENDOR) revert QeVendorUnknown(quote.qeVendor());
    }

    /// @dev The TD is closed to its host, under Intel's module, and nobody's but its image's.
    function _requireProtected(bytes calldata quote) private pure {
        bytes8 attributes = quote.tdAttributes();
        if (attributes & ~_HARMLESS != _SEPT_VE_DISABLE) revert TdAttributesRefused(attributes);
        if (!quote.isIntelsModule()) revert TdxModuleRefused();
        if (!quote.isUnowned()) revert TdOwnerRefused();
    }

    /// @dev The PCK signed the report of Intel's quoting enclave, and the report is about this attestation key.
    function _requireQuotingEnclave(bytes calldata quote, bytes32 pckId, PckCertificate memory pck) private view {
        if (quote.isQeDebuggable()) revert QeDebuggable();
        (bytes32 mrSigner, uint16 productId) = quote.qeIdentity();
        if (mrSigner != _TD_QE_MRSIGNER || productId != _TD_QE_PRODUCT) revert QeIdentityUnknown(mrSigner, productId);

        bytes32 expected = quote.attestationKeyDigest();
        (bytes32 reported, bytes32 rest) = quote.qeReportData();
        if (reported != expected || rest != 0) revert AttestationKeyNotBound({reported: reported, expected: expected});

        (uint256 r, uint256 s) = quote.qeSignature();
        bool signed = P256Verification.verify({
            native: _NATIVE_P256,
            digest: quote.qeDigest(),
            signature: P256Signature({r: r, s: s}),
            key: P256Key({x: pck.x, y: pck.y})
        });
        if (!signed) revert QeReportSignatureInvalid(pckId);
    }

    function _requireSigned(bytes calldata quote) private view {
        (uint256 r, uint256 s) = quote.signature();
        (uint256 x, uint256 y) = quote.attestationKey();
        bool signed = P256Verification.verify({
            native: _NATIVE_P256,
            digest: quote.digest(),
            signature: P256Signature({r: r, s: s}),
            key: P256Key({x: x, y: y})
        });
        if (!signed) revert QuoteSignatureInvalid();
    }
}
