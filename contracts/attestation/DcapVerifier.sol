// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, TcbStatus, VerifiedQuote} from "../types/VerifiedQuote.sol";
import {Collateral, Revocation, Selected} from "./Collateral.sol";
import {CollateralReader} from "./CollateralReader.sol";
import {CrlReader} from "./CrlReader.sol";
import {IDcapVerifier} from "./IDcapVerifier.sol";
import {IPckCertificates, PckCertificate} from "./IPckCertificates.sol";
import {P256Key, P256Signature, P256Verification} from "./P256Verification.sol";
import {PckRecord} from "./PckRecord.sol";
import {TcbEvaluation} from "./TcbEvaluation.sol";
import {TdxQuote} from "./TdxQuote.sol";

/// @title DcapVerifier
/// @notice See {IDcapVerifier}.
/// @dev The trust runs root → authority → PCK (checked when {IPckCertificates} stored it) → QE report → attestation
/// key → quote, and root → signer of collateral → TCB info, QE identity; root and authority → CRLs (checked when
/// {Collateral} took them). What time can change is checked at each use.
contract DcapVerifier is IDcapVerifier, Collateral {
    using TdxQuote for bytes;
    using TcbEvaluation for TcbEvaluation.Findings;

    bytes16 private constant _INTEL_QE_VENDOR = hex"939a7233f79c4ca9940a0db3957f0607";

    // TD attributes, bit n of the little-endian number: 28 SEPT_VE_DISABLE must be set; 30 protection keys, 31 key
    // locker and 63 performance counters may be; all others (debug, migratable, reserved) must not.
    bytes8 private constant _SEPT_VE_DISABLE = hex"0000001000000000";
    bytes8 private constant _HARMLESS = hex"000000c000000080";

    /// @dev DEBUG, in the first octet of an enclave's attributes.
    bytes16 private constant _QE_DEBUG = hex"02";

    /// @param certificates_ The store, which pins the root.
    constructor(IPckCertificates certificates_) Collateral(certificates_, new CollateralReader(), new CrlReader()) {}

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata quote, bytes32 pckId, TcbPolicy calldata policy)
        external
        view
        returns (VerifiedQuote memory verified)
    {
        (uint256 report, uint256 signedEnd) = quote.locate();
        _requireProtected({quote: quote, report: report, signedEnd: signedEnd});
        PckCertificate memory pck = _pckInForce(pckId);
        _requireQuotingEnclave({quote: quote, signedEnd: signedEnd, pckId: pckId, pck: pck});
        _requireSigned(quote, signedEnd);

        QuoteClaims memory claims =
            quote.claims({pckId: pckId, report: report, signedEnd: signedEnd});
        _requireProductionEnclave(claims);
        (verified.reportDataLow, verified.reportDataHigh) = quote.reportData(report);
        verified.measurement = claims.measurement;
        verified.quoteHash = keccak256(abi.encode(claims));
        verified.fmspc = pck.fmspc;
        verified.teeTcbSvn = claims.teeTcbSvn;
        verified.tdAttributes = claims.tdAttributes;
        verified.xfam = claims.xfam;
        _judge({verified: verified, claims: claims, pck: pck, policy: policy});
    }

    /// @inheritdoc IQuoteVerifier
    function assessQuote(QuoteClaims calldata claims, TcbPolicy calldata policy)
        external
        view
        returns (QuoteAssessment memory assessment)
    {
        PckCertificate memory pck = PckRecord.read(address(_CERTIFICATES), claims.pckId);
        if (pck.authorityIndex == 0) revert IPckCertificates.PckCertificateUnknown(claims.pckId);
        (assessment,) = _assess({claims: claims, pck: pck, policy: policy});
    }

    /// @inheritdoc IDcapVerifier
    function certificates() external view returns (IPckCertificates) {
        return _CERTIFICATES;
    }

    /* THE QUOTE */

    /// @dev Intel's quoting enclave vouches for it, and the TD is closed to its host, under Intel's module, and nobody's
    /// but its image's.
    function _requireProtected(bytes calldata quote, uint256 report, uint256 signedEnd) private pure {
        if (quote.qeVendor() != _INTEL_QE_VENDOR) revert QeVendorUnknown(quote.qeVendor());
        bytes8 attributes = bytes8(quote.word(report + 120));
        if (attributes & ~_HARMLESS != _SEPT_VE_DISABLE) revert TdAttributesRefused(attributes);
        if (!quote.isIntelsModule(report)) revert TdxModuleRefused();
        if (!quote.isUnowned(report)) revert TdOwnerRefused();
        if (!quote.isUnserved(report, signedEnd)) revert ServiceTdRefused();
    }

    function _pckInForce(bytes32 pckId) private view returns (PckCertificate memory pck) {
        pck = PckRecord.read(address(_CERTIFICATES), pckId);
        if (pck.authorityIndex == 0) revert IPckCertificates.PckCertificateUnknown(pckId);
        if (block.timestamp > pck.expiresAt) revert PckChainExpired(pckId, pck.expiresAt);
    }

    /// @dev The PCK signed a report, and the report is about this attestation key.
    function _requireQuotingEnclave(
        bytes calldata quote,
        uint256 signedEnd,
        bytes32 pckId,
        PckCertificate memory pck
    ) private view {
        bytes32 expected = quote.attestationKeyDigest(signedEnd);
        (bytes32 reported, bytes32 rest) = quote.qeReportData(signedEnd);
        if (reported != expected || rest != 0) revert AttestationKeyNotBound({reported: reported, expected: expected});

        (bytes32 digest, P256Signature memory signature) = quote.qeSigned(signedEnd);
        bool signed = P256Verification.verify({
            native: _NATIVE_P256, digest: digest, signature: signature, key: P256Key({x: pck.x, y: pck.y})
        });
        if (!signed) revert QeReportSignatureInvalid(pckId);
    }

    function _requireSigned(bytes calldata quote, uint256 signedEnd) private view {
        (bytes32 digest, P256Signature memory signature, P256Key memory key) = quote.signed(signedEnd);
        bool signed =
            P256Verification.verify({native: _NATIVE_P256, digest: digest, signature: signature, key: key});
        if (!signed) revert QuoteSignatureInvalid();
    }

    function _requireProductionEnclave(QuoteClaims memory claims) private pure {
        if (claims.qeAttributes & _QE_DEBUG != 0) revert QeDebuggable();
    }

    /* THE PLATFORM */

    /// @dev Completes `verified`. Any SGX enclave with the provisioning attribute could have its report signed by the
    /// machine's PCK: only the QE identity says that it was Intel's quoting enclave.
    function _judge(
        VerifiedQuote memory verified,
        QuoteClaims memory claims,
        PckCertificate memory pck,
        TcbPolicy calldata policy
    ) private view {
        (QuoteAssessment memory assessment, TcbEvaluation.Findings memory findings) =
            _assess({claims: claims, pck: pck, policy: policy});
        if (assessment.isRevoked) revert PckRevoked(claims.pckId);
        if (assessment.tcbStatus == TcbStatus.UNCHECKED) {
            revert CollateralMissing(pck.fmspc, policy.minimumEvaluationNumber);
        }
        if (findings.quotingEnclave == TcbStatus.NOT_SUPPORTED) {
            revert QeIdentityUnknown(claims.qeSigner, claims.qeProduct, claims.qeSvn);
        }
        if (assessment.tcbStatus >= TcbStatus.REVOKED) revert TcbRefused(assessment.tcbStatus);
        verified.platformId = assessment.platformId;
        verified.tcbStatus = assessment.tcbStatus;
        verified.evaluationNumber = assessment.evaluationNumber;
        verified.tcbDate = findings.date;
        verified.validUntil = assessment.validUntil;
        verified.certifiedUntil = assessment.certifiedUntil;
    }

    /// @dev Everything which isn't about signatures. Doesn't revert.
    function _assess(QuoteClaims memory claims, PckCertificate memory pck, TcbPolicy memory policy)
        private
        view
        returns (QuoteAssessment memory assessment, TcbEvaluation.Findings memory findings)
    {
        assessment.platformId = _platformId(pck.ppid);
        assessment.certifiedUntil = pck.expiresAt;
        Revocation memory revocation = _revocation({
            authorityIndex: pck.authorityIndex, serial: pck.serial, maxAge: policy.maxCollateralAge
        });
        assessment.isRevoked = revocation.isRevoked;
        if (!revocation.isInForce) return (assessment, findings);

        Selected memory info = _select(_subject(pck.fmspc, pck.pceId), policy, revocation.revokedSigners);
        Selected memory identity = _select(_QE_IDENTITIES, policy, revocation.revokedSigners);
        if (info.content.length == 0 || identity.content.length == 0) return (assessment, findings);
        assessment.evaluationNumber = uint16(info.evaluationNumber);
        assessment.isConclusive = info.isLowest && identity.isLowest;
        // a revocation list ends before its next update, everything else with it
        assessment.validUntil = uint40(
            _first(
                _first(pck.expiresAt, revocation.usableUntil - 1), _first(info.usableUntil, identity.usableUntil)
            )
        );
        findings.quotingEnclave = TcbEvaluation.findQuotingEnclave(identity.content, claims);
        findings.findPlatform({tcbInfo: info.content, pck: pck, teeTcbSvn: claims.teeTcbSvn});
        assessment.tcbStatus = findings.merged({tcbInfo: info.content, teeTcbSvn2: claims.teeTcbSvn2});
    }

    function _platformId(bytes16 ppid) private pure returns (bytes32 platformId) {
        assembly ("memory-safe") {
            mstore(0, ppid)
            platformId := keccak256(0, 16)
        }
    }

    function _first(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
