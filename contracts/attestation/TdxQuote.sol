// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @title TdxQuote
/// @notice Where things stand in the core of a TDX quote of version 4; docs/protocol.md section 3.
/// @dev All functions take a core of exactly {BYTES} bytes. Integers in it are little-endian, signatures and keys
/// big-endian. Source: Intel's sgx_quote_4.h.
library TdxQuote {
    /// @dev header 48 ‖ TD report 584 ‖ signature 64 ‖ attestation key 64 ‖ QE report 384 ‖ its signature 64 ‖
    /// QE authentication data 32
    uint256 internal constant BYTES = 1240;

    /// @dev Header and TD report: what the attestation key signed.
    uint256 private constant SIGNED_END = 632;
    uint256 private constant SIGNATURE = 632;
    uint256 private constant ATTESTATION_KEY = 696;
    uint256 private constant QE_REPORT = 760;
    uint256 private constant QE_SIGNATURE = 1144;
    uint256 private constant QE_AUTH = 1208;

    /* HEADER */

    /// @notice Version, attestation key type (2 bytes each) and TEE type (4 bytes).
    function kind(bytes calldata core) internal pure returns (bytes8) {
        return bytes8(core[0:8]);
    }

    /// @notice Whose quoting enclave it is.
    function qeVendor(bytes calldata core) internal pure returns (bytes16) {
        return bytes16(core[12:28]);
    }

    /* TD REPORT, offset 48 */

    /// @notice The security versions of the TDX module and what loads it.
    function teeTcbSvn(bytes calldata core) internal pure returns (bytes16) {
        return bytes16(core[48:64]);
    }

    /// @notice Whether MRSIGNERSEAM and SEAMATTRIBUTES are zero: Intel's module, in production.
    function isIntelsModule(bytes calldata core) internal pure returns (bool) {
        return bytes32(core[112:144]) | bytes32(core[136:168]) == 0;
    }

    /// @notice Debug, SEPT_VE_DISABLE and so on.
    function tdAttributes(bytes calldata core) internal pure returns (bytes8) {
        return bytes8(core[168:176]);
    }

    /// @notice Which processor features the TD uses.
    function xfam(bytes calldata core) internal pure returns (bytes8) {
        return bytes8(core[176:184]);
    }

    /// @notice Whether MROWNER and MROWNERCONFIG are zero.
    function isUnowned(bytes calldata core) internal pure returns (bool) {
        return bytes32(core[280:312]) | bytes32(core[312:344]) | bytes32(core[344:376]) == 0;
    }

    /// @notice keccak256(MRTD ‖ RTMR0 ‖ RTMR1 ‖ RTMR2 ‖ MRCONFIGID).
    function measurement(bytes calldata core) internal pure returns (bytes32) {
        return keccak256(bytes.concat(core[184:232], core[376:520], core[232:280]));
    }

    /// @notice The two halves of the report data.
    function reportData(bytes calldata core) internal pure returns (bytes32 low, bytes32 high) {
        return (bytes32(core[568:600]), bytes32(core[600:632]));
    }

    /* SIGNATURES */

    /// @notice What the attestation key signed, hashed.
    function digest(bytes calldata core) internal pure returns (bytes32) {
        return sha256(core[0:SIGNED_END]);
    }

    /// @notice r and s over {digest}.
    function signature(bytes calldata core) internal pure returns (uint256 r, uint256 s) {
        return _pair(core[SIGNATURE:ATTESTATION_KEY]);
    }

    /// @notice x and y of the attestation key.
    function attestationKey(bytes calldata core) internal pure returns (uint256 x, uint256 y) {
        return _pair(core[ATTESTATION_KEY:QE_REPORT]);
    }

    /// @notice What the QE's report data must begin with: SHA-256(attestation key ‖ QE authentication data).
    function attestationKeyDigest(bytes calldata core) internal pure returns (bytes32) {
        return sha256(bytes.concat(core[ATTESTATION_KEY:QE_REPORT], core[QE_AUTH:BYTES]));
    }

    /* REPORT OF THE QUOTING ENCLAVE, offset 760 */

    /// @notice Whether the quoting enclave runs with the DEBUG attribute (bit 1).
    function isQeDebuggable(bytes calldata core) internal pure returns (bool) {
        return core[QE_REPORT + 48] & 0x02 != 0;
    }

    /// @notice Who signed the quoting enclave, and which product of theirs it is.
    function qeIdentity(bytes calldata core) internal pure returns (bytes32 mrSigner, uint16 productId) {
        mrSigner = bytes32(core[QE_REPORT + 128:QE_REPORT + 160]);
        productId = uint16(uint8(core[QE_REPORT + 256])) | (uint16(uint8(core[QE_REPORT + 257])) << 8);
    }

    /// @notice The two halves of the QE's report data.
    function qeReportData(bytes calldata core) internal pure returns (bytes32 low, bytes32 high) {
        return (bytes32(core[QE_SIGNATURE - 64:QE_SIGNATURE - 32]), bytes32(core[QE_SIGNATURE - 32:QE_SIGNATURE]));
    }

    /// @notice What the PCK key signed, hashed.
    function qeDigest(bytes calldata core) internal pure returns (bytes32) {
        return sha256(core[QE_REPORT:QE_SIGNATURE]);
    }

    /// @notice r and s over {qeDigest}.
    function qeSignature(bytes calldata core) internal pure returns (uint256 r, uint256 s) {
        return _pair(core[QE_SIGNATURE:QE_AUTH]);
    }

    function _pair(bytes calldata words) private pure returns (uint256 first, uint256 second) {
        return (uint256(bytes32(words[0:32])), uint256(bytes32(words[32:64])));
    }
}
