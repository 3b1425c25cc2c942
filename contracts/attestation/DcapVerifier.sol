// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {IDcapVerifier} from "../interfaces/attestation/IDcapVerifier.sol";
import {IPckCertificates} from "../interfaces/attestation/IPckCertificates.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, TcbStatus, VerifiedQuote} from "../types/VerifiedQuote.sol";
import {Collateral} from "./collateral/Collateral.sol";
import {CollateralReader} from "./collateral/CollateralReader.sol";
import {CrlReader} from "./collateral/CrlReader.sol";
import {LongCrls} from "./collateral/LongCrls.sol";
import {QeIdentityItem} from "./collateral/QeIdentityItem.sol";
import {TcbEvaluation} from "./collateral/TcbEvaluation.sol";
import {QuoteRules} from "./quote/QuoteRules.sol";

/// @title DcapVerifier
/// @notice See {IDcapVerifier}.
/// @dev The chain of trust: root → authority → PCK certificate (verified when {IPckCertificates} stored it) → QE report
/// → attestation key → quote. And root → signer of collateral → TCB info and QE identity, root and authority → CRLs
/// (verified when {Collateral} stored them). What time can change is checked at each use.
contract DcapVerifier is IDcapVerifier, Collateral {
    using TcbEvaluation for TcbEvaluation.Findings;

    /// @param certificates_ The store of PCK certificates, which pins the root.
    constructor(IPckCertificates certificates_)
        Collateral(certificates_, new CollateralReader(), new CrlReader(), new LongCrls())
    {}

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata quote, bytes32 pckId, TcbPolicy calldata policy)
        external
        view
        returns (VerifiedQuote memory verified)
    {
        (QuoteClaims memory claims, uint256 report) =
            QuoteRules.requireValid({core: quote, pckId: pckId, certificates: _CERTIFICATES, native: _NATIVE_P256});
        QuoteRules.fillVerified({verified: verified, core: quote, report: report, claims: claims});
        _completeVerdict({verified: verified, claims: claims, pckId: pckId, policy: policy});
        assembly ("memory-safe") {
            // as the ABI encodes it: the claims in place of the pointer to them
            let answer := mload(0x40)
            mcopy(answer, claims, 0x100)
            mcopy(add(answer, 0x100), add(verified, 0x20), 0xc0)
            return(answer, 0x1c0)
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

    /* PLATFORM */

    /// @dev Completes `verified` by what collateral says, and reverts for what no caller may accept. Any SGX enclave
    /// with the provisioning attribute could have its report signed by the machine's PCK; only the QE identity shows
    /// that it was Intel's quoting enclave.
    function _completeVerdict(
        VerifiedQuote memory verified,
        QuoteClaims memory claims,
        bytes32 pckId,
        TcbPolicy calldata policy
    ) private view {
        QuoteAssessment memory assessment;
        TcbEvaluation.Findings memory findings;
        _assess({assessment: assessment, findings: findings, claims: claims, policy: policy});
        if (assessment.isRevoked) revert PckRevoked(pckId);
        TcbStatus status = assessment.tcbStatus;
        if (status == TcbStatus.UNCHECKED) {
            revert CollateralMissing(bytes6(claims.pck << 160), policy.minimumEvaluationNumber);
        }
        if (findings.quotingEnclave == TcbStatus.NOT_SUPPORTED) {
            revert QeIdentityUnknown(claims.qeSigner, claims.qeAndEnd);
        }
        if (status >= TcbStatus.REVOKED) revert TcbRefused(status);
        verified.tcbStatus = status;
        verified.evaluationNumber = assessment.evaluationNumber;
        verified.tcbDate = findings.date;
        verified.validUntil = assessment.validUntil;
    }

    /// @dev Everything that needs no signature. Does not revert: what is missing leaves the status UNCHECKED.
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
        // a CRL is in force until the second before its next update, everything else until its last second
        until = _earlierOf(assessment.certifiedUntil, until - 1);

        // FMSPC and PCE id
        bytes32 subject = bytes32(bytes8(claims.pck << 160));
        (uint256 info, uint256 number, bool isLowest) = _selectItem(subject, policy, revokedSigners);
        if (info == 0) return;
        assessment.evaluationNumber = uint16(number);
        assessment.isConclusive = isLowest;
        until = _earlierOf(until, _validUntil(info));
        uint256 identity;
        (identity,, isLowest) = _selectItem(_QE_IDENTITIES, policy, revokedSigners);
        if (identity == 0) return;
        if (!isLowest) assessment.isConclusive = false;
        assessment.validUntil = uint40(_earlierOf(until, _validUntil(identity)));

        findings.quotingEnclave = _isPackedIdentity(identity)
            ? QeIdentityItem.statusOf(identity, claims)
            : TcbEvaluation.evaluateQuotingEnclave(_contentOf(identity), claims);
        bytes memory levels = _contentOf(info);
        findings.evaluatePlatform({tcbInfo: levels, claims: claims});
        assessment.tcbStatus = findings.mergeStatus({tcbInfo: levels, claims: claims});
    }

    function _earlierOf(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
