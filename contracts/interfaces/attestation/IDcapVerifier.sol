// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {TcbStatus} from "../../types/VerifiedQuote.sol";
import {IQuoteVerifier} from "../IQuoteVerifier.sol";
import {ICollateral} from "./ICollateral.sol";
import {IPckCertificates} from "./IPckCertificates.sol";

/// @title IDcapVerifier
/// @notice Intel's DCAP for TDX quotes of versions 4 and 5, up to the root which {certificates} pins: signatures,
/// certificates, revocation, TCB level, TDX module, quoting enclave.
/// @dev A verdict rests on collateral that anyone keeps fresh; see {ICollateral}. Of the status, REVOKED and
/// NOT_SUPPORTED are refused here; how much of the rest is good enough is the caller's to decide.
interface IDcapVerifier is IQuoteVerifier, ICollateral {
    /// @notice The quoting enclave isn't Intel's.
    error QeVendorUnknown(bytes16 vendor);
    /// @notice The TD can be debugged, lacks SEPT_VE_DISABLE, can be migrated, or has reserved bits set.
    error TdAttributesRefused(bytes8 tdAttributes);
    /// @notice The TDX module isn't Intel's, or has attributes.
    error TdxModuleRefused();
    /// @notice MROWNER or MROWNERCONFIG aren't zero: nothing in dstack sets them.
    error TdOwnerRefused();
    /// @notice MRSERVICETD isn't zero: another TD has a say in this one.
    error ServiceTdRefused();
    /// @notice The quoting enclave can be debugged.
    error QeDebuggable();
    /// @notice The report isn't of the quoting enclave which Intel's QE identity describes, or of too old a version.
    /// `qe` is that of {QuoteClaims}.
    error QeIdentityUnknown(bytes32 mrSigner, bytes32 qe);
    /// @notice The QE's report is about another attestation key.
    error AttestationKeyNotBound(bytes32 reported, bytes32 expected);
    /// @notice The PCK key didn't sign the QE's report.
    error QeReportSignatureInvalid(bytes32 pckId);
    /// @notice The attestation key didn't sign the quote.
    error QuoteSignatureInvalid();
    /// @notice The leaf, its authority or the root ended at that Unix second.
    error PckChainExpired(bytes32 pckId, uint256 expiresAt);
    /// @notice A CRL lists the PCK certificate or its authority's.
    error PckRevoked(bytes32 pckId);
    /// @notice No CRL, TCB info or QE identity is in force, or none from that evaluation number on. Bring it.
    error CollateralMissing(bytes6 fmspc, uint256 minimumEvaluationNumber);
    /// @notice Intel has revoked the platform's TCB, or doesn't list it.
    error TcbRefused(TcbStatus status);

    /// @notice Where the PCK certificates are.
    function certificates() external view returns (IPckCertificates);
}
