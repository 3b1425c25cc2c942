// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256Key, P256Signature} from "../../libraries/P256Verification.sol";
import {QuoteClaims} from "../../types/VerifiedQuote.sol";

/// @title TdxQuote
/// @notice The layout of the core of a TDX quote of version 4 or 5; docs/protocol.md, section 3.
/// @dev A core is: header 48 ‖ (version 5: body type 2 ‖ body size 4) ‖ TD report 584, 648 or 885 ‖
/// signature 64 ‖ attestation key 64 ‖ QE report 384 ‖ its signature 64 ‖ QE authentication data 32. Its length follows
/// from its kind, and {locate} checks it; all other functions require that check. Integers in it are little-endian,
/// signatures and keys big-endian. Source: Intel's sgx_quote_4.h and sgx_quote_5.h.
library TdxQuote {
    /// @notice The core is shorter or longer than one of its kind.
    error QuoteLengthInvalid(uint256 length);
    /// @notice The first 8 bytes are not those of a TDX quote of version 4 or 5, signed over P-256.
    error QuoteKindUnsupported(bytes8 versionKeyTypeAndTee);
    /// @notice The body of a version 5 quote is not a TD report 1.0 (type 2), 1.5 (3) or 1.5 extended (4) of that size.
    error QuoteBodyUnsupported(bytes6 typeAndSize);

    // version, key type 2 (ECDSA over P-256), TEE type 0x81 (TDX); little-endian
    bytes8 private constant VERSION_4 = hex"0400020081000000";
    bytes8 private constant VERSION_5 = hex"0500020081000000";
    // body type and body size; little-endian
    bytes6 private constant TD_REPORT_1_0 = hex"020048020000";
    bytes6 private constant TD_REPORT_1_5 = hex"030088020000";
    bytes6 private constant TD_REPORT_1_5_EX = hex"040075030000";

    uint256 private constant HEADER = 48;
    uint256 private constant REPORT_1_0 = 584;
    uint256 private constant REPORT_1_5 = 648;
    /// @dev Starts like a TD report 1.5.
    uint256 private constant REPORT_1_5_EX = 885;
    /// @dev Everything after the signed part.
    uint256 private constant SIGNATURES = 608;

    // offsets from the end of the signed part
    uint256 private constant ATTESTATION_KEY = 64;
    uint256 private constant QE_REPORT = 128;
    uint256 private constant QE_SIGNATURE = 512;
    uint256 private constant QE_AUTH = 576;

    /// @notice Checks kind and length. The TD report is [report, signedEnd), and the attestation key signed [0,
    /// signedEnd).
    function locate(bytes calldata core) internal pure returns (uint256 report, uint256 signedEnd) {
        if (core.length < HEADER + 6) revert QuoteLengthInvalid(core.length);
        bytes8 kind = bytes8(word(core, 0, 0));
        (report, signedEnd) = (HEADER, HEADER + REPORT_1_0);
        if (kind == VERSION_5) {
            bytes6 body = bytes6(word(core, HEADER, 0));
            report = HEADER + 6;
            signedEnd = report + _reportSize(body);
        } else if (kind != VERSION_4) {
            revert QuoteKindUnsupported(kind);
        }
        if (core.length != signedEnd + SIGNATURES) revert QuoteLengthInvalid(core.length);
    }

    function _reportSize(bytes6 body) private pure returns (uint256) {
        if (body == TD_REPORT_1_0) return REPORT_1_0;
        if (body == TD_REPORT_1_5) return REPORT_1_5;
        if (body == TD_REPORT_1_5_EX) return REPORT_1_5_EX;
        revert QuoteBodyUnsupported(body);
    }

    /// @notice The vendor of the quoting enclave.
    function qeVendor(bytes calldata core) internal pure returns (bytes16) {
        return bytes16(word(core, 12, 0));
    }

    /* TD REPORT */

    /// @notice Whether MRSIGNERSEAM and SEAMATTRIBUTES are zero: Intel's module, in production.
    function isIntelModule(bytes calldata core, uint256 report) internal pure returns (bool) {
        return word(core, report, 64) | word(core, report, 88) == 0;
    }

    /// @notice Whether MROWNER and MROWNERCONFIG are zero.
    function hasNoOwner(bytes calldata core, uint256 report) internal pure returns (bool) {
        return word(core, report, 232) | word(core, report, 264) | word(core, report, 296) == 0;
    }

    /// @notice Whether no other TD has rights over this one: in a TD report 1.5 MRSERVICETD is zero, in an extended one
    /// also the hashes and attributes of the service TDs, at its creation and now.
    function hasNoServiceTd(bytes calldata core, uint256 report, uint256 signedEnd) internal pure returns (bool) {
        if (signedEnd - report == REPORT_1_0) return true;
        bytes32 any = word(core, report, 600) | word(core, report, 616);
        if (signedEnd - report == REPORT_1_5_EX) {
            // 48 and 8 bytes each, covered by two overlapping words
            any |= word(core, report, 729) | word(core, report, 753);
            any |= word(core, report, 829) | word(core, report, 853);
        }
        return any == 0;
    }

    /// @notice Whether it is a TD report 1.5, extended or not, which also has the platform's TCB of today.
    function hasCurrentTcb(uint256 report, uint256 signedEnd) internal pure returns (bool) {
        return signedEnd - report != REPORT_1_0;
    }

    /// @notice keccak256(MRTD ‖ RTMR0 ‖ RTMR1 ‖ RTMR2 ‖ MRCONFIGID).
    function measurement(bytes calldata core, uint256 report) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let copy := mload(0x40)
            let from := add(core.offset, report)
            calldatacopy(copy, add(from, 136), 48)
            calldatacopy(add(copy, 48), add(from, 328), 144)
            calldatacopy(add(copy, 192), add(from, 184), 48)
            digest := keccak256(copy, 240)
        }
    }

    /// @notice The two halves of the report data.
    function reportData(bytes calldata core, uint256 report) internal pure returns (bytes32 low, bytes32 high) {
        return (word(core, report, 520), word(core, report, 552));
    }

    /* SIGNATURES */

    /// @notice The SHA-256 of what the attestation key signed, the signature, and the key.
    function signedData(bytes calldata core, uint256 signedEnd)
        internal
        view
        returns (bytes32 digest, P256Signature memory signature, P256Key memory key)
    {
        digest = _sha256(core, 0, signedEnd);
        signature = _signature(core, signedEnd);
        key.x = uint256(word(core, signedEnd, ATTESTATION_KEY));
        key.y = uint256(word(core, signedEnd, ATTESTATION_KEY + 32));
    }

    /// @notice The SHA-256 of what the PCK key signed, and the signature.
    function qeSignedData(bytes calldata core, uint256 signedEnd)
        internal
        view
        returns (bytes32 digest, P256Signature memory signature)
    {
        digest = _sha256(core, signedEnd + QE_REPORT, QE_SIGNATURE - QE_REPORT);
        signature = _signature(core, signedEnd + QE_SIGNATURE);
    }

    /* REPORT OF THE QUOTING ENCLAVE */

    /// @notice What the QE's report data must start with: SHA-256(attestation key ‖ QE authentication data).
    function attestationKeyDigest(bytes calldata core, uint256 signedEnd) internal view returns (bytes32 digest) {
        assembly ("memory-safe") {
            let copy := mload(0x40)
            let start := add(core.offset, signedEnd)
            calldatacopy(copy, add(start, ATTESTATION_KEY), 64)
            calldatacopy(add(copy, 64), add(start, QE_AUTH), 32)
            if iszero(staticcall(gas(), 2, copy, 96, 0, 0x20)) { revert(0, 0) }
            digest := mload(0)
        }
    }

    /// @notice The two halves of the QE's report data.
    function qeReportData(bytes calldata core, uint256 signedEnd) internal pure returns (bytes32 low, bytes32 high) {
        return (word(core, signedEnd, QE_SIGNATURE - 64), word(core, signedEnd, QE_SIGNATURE - 32));
    }

    /// @notice Copies what the quote says into claims: everything but platform, PCK certificate and its expiry.
    function fillClaims(bytes calldata core, uint256 report, uint256 signedEnd, QuoteClaims memory claims)
        internal
        pure
    {
        uint256 qe = signedEnd + QE_REPORT;
        claims.coreHash = keccak256(core);
        claims.measurement = measurement(core, report);
        claims.qeSigner = word(core, qe, 128);
        uint256 numbers = uint256(word(core, qe, 256)) >> 224;
        // ISVPRODID and ISVSVN are little-endian
        numbers = ((numbers & 0x00ff00ff) << 8) | ((numbers >> 8) & 0x00ff00ff);
        claims.qeAndEnd = bytes32(bytes16(word(core, qe, 48))) | (bytes32(bytes4(word(core, qe, 16))) >> 128)
            | bytes32(numbers << 64);
        claims.svns = word(core, report, 0) >> 128;
        claims.td = word(core, report, 120) >> 128;
        if (hasCurrentTcb(report, signedEnd)) claims.td |= bytes32(bytes16(word(core, report, 584)));
    }

    /// @dev The 32 bytes at `start + offset`. {locate} has checked that they are within the core.
    function word(bytes calldata core, uint256 start, uint256 offset) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(add(core.offset, add(start, offset)))
        }
    }

    function _signature(bytes calldata core, uint256 offset) private pure returns (P256Signature memory) {
        return P256Signature({r: uint256(word(core, offset, 0)), s: uint256(word(core, offset, 32))});
    }

    /// @dev The precompile at 0x02 fails only if gas runs out, and then this call has none left either.
    function _sha256(bytes calldata core, uint256 start, uint256 size) private view returns (bytes32 digest) {
        assembly ("memory-safe") {
            let copy := mload(0x40)
            calldatacopy(copy, add(core.offset, start), size)
            if iszero(staticcall(gas(), 2, copy, size, 0, 0x20)) { revert(0, 0) }
            digest := mload(0)
        }
    }
}
