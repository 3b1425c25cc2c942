// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What a certificate revocation list says. Nothing about it has been verified but its form.
struct Crl {
    // SHA-256(tbsCertList), which the issuer signed
    bytes32 digest;
    uint256 r;
    uint256 s;
    // keccak256 of the DER of the issuer's name
    bytes32 issuer;
    // Unix seconds: in force from the first, until before the second
    uint40 thisUpdate;
    uint40 nextUpdate;
    // 20 bytes for each revoked serial number, ascending
    bytes serials;
}

/// @title ICrlReader
/// @notice Reads X.509 certificate revocation lists of version 2 of Intel's profile.
interface ICrlReader {
    /// @notice More than 65,535 bytes.
    error CrlTooLong(uint256 length);
    /// @notice A reason code that a full list can't have.
    error RevocationReasonInvalid(uint256 offset);
    /// @notice A serial number is zero or has more than 160 bits.
    error RevokedSerialInvalid(uint256 serial);

    /// @notice Reads a CRL in DER. Reverts on anything which isn't of the profile to the last byte.
    function read(bytes calldata der) external pure returns (Crl memory crl);
}
