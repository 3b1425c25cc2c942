// SPDX-License-Identifier: UNLICENSED
pragma solidity >=0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {IPckCertificates} from "./IPckCertificates.sol";

/// @title IDcapVerifier
/// @notice Intel's DCAP for TDX quotes of version 4, up to the root which {certificates} pins.
/// @dev What it does NOT check yet, and says so by `TcbStatus.UNCHECKED`: TCB level, revocation, the QE's security
/// version. A platform that Intel has revoked, or that is years behind on updates, passes.
interface IDcapVerifier is IQuoteVerifier {
    /// @notice Not the 1,240 bytes of a quote core.
    error QuoteLengthInvalid(uint256 length);
    /// @notice The first 8 bytes aren't those of a TDX quote of version 4 signed over P-256.
    error QuoteKindUnsupported(bytes8 versionKeyTypeAndTee);
    /// @notice The quoting enclave isn't Intel's.
    error QeVendorUnknown(bytes16 vendor);
    /// @notice The TD can be debugged, lacks SEPT_VE_DISABLE, can be migrated, or has reserved bits set.
    error TdAttributesRefused(bytes8 tdAttributes);
    /// @notice The TDX module isn't Intel's, or has attributes.
    error TdxModuleRefused();
    /// @notice MROWNER or MROWNERCONFIG aren't zero: nothing in dstack sets them.
    error TdOwnerRefused();
    /// @notice The quoting enclave can be debugged.
    error QeDebuggable();
    /// @notice The report isn't of Intel's TD quoting enclave.
    error QeIdentityUnknown(bytes32 mrSigner, uint16 productId);
    /// @notice The QE's report is about another attestation key.
    error AttestationKeyNotBound(bytes32 reported, bytes32 expected);
    /// @notice The PCK key didn't sign the QE's report.
    error QeReportSignatureInvalid(bytes32 pckId);
    /// @notice The attestation key didn't sign the quote.
    error QuoteSignatureInvalid();
    /// @notice The leaf, its authority or the root ended at that Unix second.
    error PckChainExpired(bytes32 pckId, uint256 expiresAt);

    /// @notice Where the PCK certificates are.
    function certificates() external view returns (IPckCertificates);
}
