// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, TcbStatus, VerifiedQuote} from "../types/VerifiedQuote.sol";
import {Collateral} from "./Collateral.sol";
import {CollateralReader} from "./CollateralReader.sol";
import {CrlReader} from "./CrlReader.sol";
import {IDcapVerifier} from "./IDcapVerifier.sol";
import {IPckCertificates} from "./IPckCertificates.sol";
import {P256Key, P256Signature, P256Verification} from "./P256Verification.sol";
import {PckRecord} from "./PckRecord.sol";
import {QeIdentityItem} from "./QeIdentityItem.sol";
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

    // TD attributes, bit n of the little-endian number: 28 SEPT_VE_DISABLE must be set; 16 defence against
    // single-stepping, 27 separation of linear addresses, 30 protection keys, 31 key locker and 63 performance counters
    // may be; all others (debug, profiling, service TDs, migratable, provisioning agent, reserved) must not.
    bytes8 private constant _SEPT_VE_DISABLE = hex"0000001000000000";
    bytes8 private constant _HARMLESS = hex"000001c800000080";

    /// @dev DEBUG, in the first octet of an enclave's attributes.
    bytes32 private constant _QE_DEBUG = bytes32(bytes1(0x02));

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
        QuoteClaims memory claims;
        quote.claim({report: report, signedEnd: signedEnd, claims: claims});
        if (claims.qeAndEnd & _QE_DEBUG != 0) revert QeDebuggable();
        _requirePresentTcb({claims: claims, report: report, signedEnd: signedEnd});
        P256Key memory pckKey = PckRecord.claim(address(_CERTIFICATES), pckId, claims);
        _requireInForce(claims, pckId);
        _requireQuotingEnclave({quote: quote, signedEnd: signedEnd, pckId: pckId, pckKey: pckKey});
        _requireSigned(quote, signedEnd);

        (verified.reportDataLow, verified.reportDataHigh) = quote.reportData(report);
        verified.measurement = claims.measurement;
        verified.platformId = claims.platformId;
        verified.teeTcbSvn = bytes16(claims.svns << 128);
        verified.tdAttributes = bytes8(claims.td << 128);
        verified.xfam = bytes8(claims.td << 192);
        verified.fmspc = bytes6(claims.pck << 160);
        // a struct of one-word members lies in memory as abi.encode writes it
        assembly ("memory-safe") {
            mstore(add(verified, 0x80), keccak256(claims, 0x100))
        }
        _judge({verified: verified, claims: claims, pckId: pckId, policy: policy});
        assembly ("memory-safe") {
            return(verified, 0x1c0)
        }
    }

    /// @inheritdoc IQuoteVerifier
    function assessQuote(QuoteClaims calldata claims, TcbPolicy calldata policy)
        external
        view
        returns (QuoteAssessment memory assessment)
    {
        QuoteClaims memory copy;
        TcbEvaluation.Findings memory findings;
        assembly ("memory-safe") {
            calldatacopy(copy, claims, 0x100)
        }
        _assess({assessment: assessment, findings: findings, claims: copy, policy: policy});
        assembly ("memory-safe") {
            return(assessment, 0xe0)
        }
    }

    /// @inheritdoc IDcapVerifier
    function certificates() external view returns (IPckCertificates) {
        return _CERTIFICATES;
    }

    /* THE QUOTE */

    /// @dev Intel's quoting enclave vouches for it, and the TD is closed to its host, under Intel's module, and
    /// nobody's but its image's.
    function _requireProtected(bytes calldata quote, uint256 report, uint256 signedEnd) private pure {
        if (quote.qeVendor() != _INTEL_QE_VENDOR) revert QeVendorUnknown(quote.qeVendor());
        bytes8 attributes = bytes8(quote.word(report, 120));
        if (attributes & ~_HARMLESS != _SEPT_VE_DISABLE) revert TdAttributesRefused(attributes);
        if (!quote.isIntelsModule(report)) revert TdxModuleRefused();
        if (!quote.isUnowned(report)) revert TdOwnerRefused();
        if (!quote.isUnserved(report, signedEnd)) revert ServiceTdRefused();
    }

    /// @dev Claims take a TEE_TCB_SVN_2 of zero for a TD report 1.0, which has none.
    function _requirePresentTcb(QuoteClaims memory claims, uint256 report, uint256 signedEnd) private pure {
        bool isMissing = TdxQuote.hasPresentTcb(report, signedEnd) && uint256(claims.td) >> 128 == 0;
        if (isMissing) revert TcbRefused(TcbStatus.NOT_SUPPORTED);
    }

    function _requireInForce(QuoteClaims memory claims, bytes32 pckId) private view {
        if (uint16(uint256(claims.pck)) == 0) revert IPckCertificates.PckCertificateUnknown(pckId);
        uint256 end = uint40(uint256(claims.qeAndEnd));
        if (block.timestamp > end) revert PckChainExpired(pckId, end);
    }

    /// @dev The PCK signed a report, and the report is about this attestation key.
    function _requireQuotingEnclave(bytes calldata quote, uint256 signedEnd, bytes32 pckId, P256Key memory pckKey)
        private
        view
    {
        bytes32 expected = quote.attestationKeyDigest(signedEnd);
        (bytes32 reported, bytes32 rest) = quote.qeReportData(signedEnd);
        if (reported != expected || rest != 0) {
            revert AttestationKeyNotBound({reported: reported, expected: expected});
        }

        (bytes32 digest, P256Signature memory signature) = quote.qeSigned(signedEnd);
        bool signed =
            P256Verification.verify({native: _NATIVE_P256, digest: digest, signature: signature, key: pckKey});
        if (!signed) revert QeReportSignatureInvalid(pckId);
    }

    function _requireSigned(bytes calldata quote, uint256 signedEnd) private view {
        (bytes32 digest, P256Signature memory signature, P256Key memory key) = quote.signed(signedEnd);
        bool signed = P256Verification.verify({native: _NATIVE_P256, digest: digest, signature: signature, key: key});
        if (!signed) revert QuoteSignatureInvalid();
    }

    /* THE PLATFORM */

    /// @dev Completes `verified`. Any SGX enclave with the provisioning attribute could have its report signed by the
    /// machine's PCK: only the QE identity says that it was Intel's quoting enclave.
    function _judge(VerifiedQuote memory verified, QuoteClaims memory claims, bytes32 pckId, TcbPolicy calldata policy)
        private
        view
    {
        QuoteAssessment memory assessment;
        TcbEvaluation.Findings memory findings;
        _assess({assessment: assessment, findings: findings, claims: claims, policy: policy});
        if (assessment.isRevoked) revert PckRevoked(pckId);
        TcbStatus status = assessment.tcbStatus;
        if (status == TcbStatus.UNCHECKED) {
            revert CollateralMissing(verified.fmspc, policy.minimumEvaluationNumber);
        }
        if (findings.quotingEnclave == TcbStatus.NOT_SUPPORTED) {
            revert QeIdentityUnknown(claims.qeSigner, claims.qeAndEnd);
        }
        if (status >= TcbStatus.REVOKED) revert TcbRefused(status);
        verified.tcbStatus = status;
        verified.evaluationNumber = assessment.evaluationNumber;
        verified.tcbDate = findings.date;
        verified.validUntil = assessment.validUntil;
        verified.certifiedUntil = assessment.certifiedUntil;
    }

    /// @dev Everything which isn't about signatures. Doesn't revert.
    function _assess(
        QuoteAssessment memory assessment,
        TcbEvaluation.Findings memory findings,
        QuoteClaims memory claims,
        TcbPolicy memory policy
    ) private view {
        assessment.platformId = claims.platformId;
        assessment.certifiedUntil = uint40(uint256(claims.qeAndEnd));
        uint256 until;
        uint256 revokedSigners;
        (assessment.isRevoked, until, revokedSigners) = _revocation({
            authorityIndex: uint16(uint256(claims.pck)),
            serial: uint160(uint256(claims.pck) >> 96),
            maxAge: policy.maxCollateralAge
        });
        if (until == 0) return;
        // a revocation list ends before its next update, everything else with it
        until = _first(assessment.certifiedUntil, until - 1);

        // FMSPC and PCE id
        bytes32 subject = bytes32(bytes8(claims.pck << 160));
        (uint256 info, uint256 number, bool isLowest) = _select(subject, policy, revokedSigners);
        if (info == 0) return;
        assessment.evaluationNumber = uint16(number);
        assessment.isConclusive = isLowest;
        until = _first(until, _endOf(info));
        uint256 identity;
        (identity,, isLowest) = _select(_QE_IDENTITIES, policy, revokedSigners);
        if (identity == 0) return;
        if (!isLowest) assessment.isConclusive = false;
        assessment.validUntil = uint40(_first(until, _endOf(identity)));

        findings.quotingEnclave = _isCompact(identity)
            ? QeIdentityItem.statusOf(identity, claims)
            : TcbEvaluation.findQuotingEnclave(_contentOf(identity), claims);
        bytes memory levels = _contentOf(info);
        findings.findPlatform({tcbInfo: levels, claims: claims});
        assessment.tcbStatus = findings.merge({tcbInfo: levels, claims: claims});
    }

    function _first(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
