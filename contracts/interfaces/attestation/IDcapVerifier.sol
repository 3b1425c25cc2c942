// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {TcbStatus} from "../../types/VerifiedQuote.sol";
import {IQuoteVerifier} from "../IQuoteVerifier.sol";
import {ICollateral} from "./ICollateral.sol";
import {IPckCertificates} from "./IPckCertificates.sol";

/// @title IDcapVerifier
/// @notice Verifies TDX quotes of versions 4 and 5 as Intel's DCAP does, up to the root that {certificates} pins:
/// signatures, certificates, revocation, TCB level, TDX module, quoting enclave.
/// @dev A verdict depends on collateral that anyone can keep fresh; see {ICollateral}. The statuses REVOKED and
/// NOT_SUPPORTED are always refused; which of the others are acceptable is for the caller to decide.
interface IDcapVerifier is IQuoteVerifier, ICollateral {
    /// @notice The quoting enclave is not Intel's.
    error QeVendorUnknown(bytes16 vendor);
    /// @notice The TD can be debugged, lacks SEPT_VE_DISABLE, can be migrated, or has reserved bits set.
    error TdAttributesRefused(bytes8 tdAttributes);
    /// @notice The TDX module is not Intel's, or has attributes set.
    error TdxModuleRefused();
    /// @notice MROWNER or MROWNERCONFIG is not zero. dstack never sets them.
    error TdOwnerRefused();
    /// @notice MRSERVICETD is not zero: another TD has rights over this one.
    error ServiceTdRefused();
    /// @notice The quoting enclave can be debugged.
    error QeDebuggable();
    /// @notice The report is not of the quoting enclave that Intel's QE identity describes, or of a version older than
    /// all of its levels. `qe` is `qeAndEnd` of {QuoteClaims}.
    error QeIdentityUnknown(bytes32 mrSigner, bytes32 qe);
    /// @notice The quoting enclave's report is about another attestation key.
    error AttestationKeyNotBound(bytes32 reported, bytes32 expected);
    /// @notice The quoting enclave's report is not signed by the PCK key.
    error QeReportSignatureInvalid(bytes32 pckId);
    /// @notice The quote is not signed by the attestation key.
    error QuoteSignatureInvalid();
    /// @notice The PCK certificate, its authority or the root expired at `expiresAt` (Unix seconds).
    error PckChainExpired(bytes32 pckId, uint256 expiresAt);
    /// @notice A CRL lists the PCK certificate or its authority.
    error PckRevoked(bytes32 pckId);
    /// @notice A CRL, TCB info or QE identity of that evaluation number or a higher one is missing or expired. Upload
    /// it.
    error CollateralMissing(bytes6 fmspc, uint256 minimumEvaluationNumber);
    /// @notice Intel has revoked the platform's TCB, or does not list it.
    error TcbRefused(TcbStatus status);

    /// @notice The store of PCK certificates.
    function certificates() external view returns (IPckCertificates);
}
