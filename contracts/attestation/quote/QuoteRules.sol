// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "../../interfaces/attestation/IDcapVerifier.sol";
import {IPckCertificates} from "../../interfaces/attestation/IPckCertificates.sol";
import {P256Key, P256Signature, P256Verification} from "../../libraries/P256Verification.sol";
import {QuoteClaims, TcbStatus, VerifiedQuote} from "../../types/VerifiedQuote.sol";
import {PckRecord} from "../certificates/PckRecord.sol";
import {TdxQuote} from "./TdxQuote.sol";

/// @title QuoteRules
/// @notice What every verifier here demands of a quote, independent of collateral: a TD that its host cannot enter,
/// reported by Intel's quoting enclave, on a machine whose PCK certificate is stored and has not expired, with valid
/// signatures.
/// @dev Errors are those of {IDcapVerifier} and {IPckCertificates}.
library QuoteRules {
    using TdxQuote for bytes;

    bytes16 private constant _INTEL_QE_VENDOR = hex"939a7233f79c4ca9940a0db3957f0607";

    // TD attributes, bit n of the little-endian number: 28 SEPT_VE_DISABLE must be set; 16 single-step defence, 27
    // linear address space separation, 30 protection keys, 31 key locker and 63 performance counters may be set; all
    // others (debug, profiling, service TDs, migratable, provisioning agent, reserved) must not.
    bytes8 private constant _SEPT_VE_DISABLE = hex"0000001000000000";
    bytes8 private constant _ALLOWED_TD_ATTRIBUTES = hex"000001c800000080";

    /// @dev DEBUG, in the first octet of an enclave's attributes.
    bytes32 private constant _QE_DEBUG = bytes32(bytes1(0x02));

    /// @notice Reverts unless the quote satisfies all rules.
    /// @param core The quote without its certificates.
    /// @param pckId keccak256(tbsCertificate) of the certificate whose key signed the quoting enclave's report.
    /// @param native Whether the chain has the P-256 precompile.
    /// @return claims What the quote and the certificate's record say.
    /// @return report Offset of the TD report in `core`.
    function requireValid(bytes calldata core, bytes32 pckId, IPckCertificates certificates, bool native)
        internal
        view
        returns (QuoteClaims memory claims, uint256 report)
    {
        uint256 signedEnd;
        (report, signedEnd) = core.locate();
        _requireProtected({core: core, report: report, signedEnd: signedEnd});
        core.fillClaims({report: report, signedEnd: signedEnd, claims: claims});
        if (claims.qeAndEnd & _QE_DEBUG != 0) revert IDcapVerifier.QeDebuggable();
        _requireCurrentTcb({claims: claims, report: report, signedEnd: signedEnd});
        P256Key memory pckKey = PckRecord.fillClaims(address(certificates), pckId, claims);
        _requireInForce(claims, pckId);
        _requireQuotingEnclave({core: core, signedEnd: signedEnd, pckId: pckId, pckKey: pckKey, native: native});
        _requireSigned({core: core, signedEnd: signedEnd, native: native});
    }

    /// @notice Puts what a valid quote says into `verified`, all but what depends on collateral.
    function fillVerified(
        VerifiedQuote memory verified,
        bytes calldata core,
        uint256 report,
        QuoteClaims memory claims
    ) internal pure {
        (verified.reportDataLow, verified.reportDataHigh) = core.reportData(report);
        verified.claims = claims;
    }

    /// @notice The Unix second at which the first of leaf, authority and root expires.
    function certifiedUntil(QuoteClaims memory claims) internal pure returns (uint40) {
        return uint40(uint256(claims.qeAndEnd));
    }

    /// @dev Reverts unless the quoting enclave is Intel's, and the TD runs under Intel's module, cannot be entered by
    /// its host, and has neither an owner nor a service TD.
    function _requireProtected(bytes calldata core, uint256 report, uint256 signedEnd) private pure {
        if (core.qeVendor() != _INTEL_QE_VENDOR) revert IDcapVerifier.QeVendorUnknown(core.qeVendor());
        bytes8 attributes = bytes8(core.word(report, 120));
        if (attributes & ~_ALLOWED_TD_ATTRIBUTES != _SEPT_VE_DISABLE) {
            revert IDcapVerifier.TdAttributesRefused(attributes);
        }
        if (!core.isIntelModule(report)) revert IDcapVerifier.TdxModuleRefused();
        if (!core.hasNoOwner(report)) revert IDcapVerifier.TdOwnerRefused();
        if (!core.hasNoServiceTd(report, signedEnd)) revert IDcapVerifier.ServiceTdRefused();
    }

    /// @dev In claims, a TEE_TCB_SVN_2 of zero marks a TD report 1.0, which has none. So a report 1.5 must not have
    /// zero.
    function _requireCurrentTcb(QuoteClaims memory claims, uint256 report, uint256 signedEnd) private pure {
        bool isMissing = TdxQuote.hasCurrentTcb(report, signedEnd) && uint256(claims.td) >> 128 == 0;
        if (isMissing) revert IDcapVerifier.TcbRefused(TcbStatus.NOT_SUPPORTED);
    }

    /// @dev Reverts unless the certificate is stored and has not expired.
    function _requireInForce(QuoteClaims memory claims, bytes32 pckId) private view {
        if (uint16(uint256(claims.pck)) == 0) revert IPckCertificates.PckCertificateUnknown(pckId);
        uint256 end = certifiedUntil(claims);
        if (block.timestamp > end) revert IDcapVerifier.PckChainExpired(pckId, end);
    }

    /// @dev Reverts unless the PCK key signed the enclave's report, and the report is about this attestation key.
    function _requireQuotingEnclave(
        bytes calldata core,
        uint256 signedEnd,
        bytes32 pckId,
        P256Key memory pckKey,
        bool native
    ) private view {
        bytes32 expected = core.attestationKeyDigest(signedEnd);
        (bytes32 reported, bytes32 upperHalf) = core.qeReportData(signedEnd);
        if (reported != expected || upperHalf != 0) {
            revert IDcapVerifier.AttestationKeyNotBound({reported: reported, expected: expected});
        }
        (bytes32 digest, P256Signature memory signature) = core.qeSignedData(signedEnd);
        bool signed = P256Verification.verify({native: native, digest: digest, signature: signature, key: pckKey});
        if (!signed) revert IDcapVerifier.QeReportSignatureInvalid(pckId);
    }

    /// @dev Reverts unless the attestation key signed the quote.
    function _requireSigned(bytes calldata core, uint256 signedEnd, bool native) private view {
        (bytes32 digest, P256Signature memory signature, P256Key memory key) = core.signedData(signedEnd);
        bool signed = P256Verification.verify({native: native, digest: digest, signature: signature, key: key});
        if (!signed) revert IDcapVerifier.QuoteSignatureInvalid();
    }
}
