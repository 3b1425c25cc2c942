// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice The content of a certificate revocation list. Only its form has been checked.
struct Crl {
    // SHA-256(tbsCertList), which the issuer signed
    bytes32 digest;
    // the issuer's ECDSA signature over P-256
    uint256 r;
    uint256 s;
    // keccak256 of the DER of the issuer's name
    bytes32 issuer;
    // Unix seconds: in force from the first until the second, which is excluded
    uint40 thisUpdate;
    uint40 nextUpdate;
    // 20 bytes per revoked serial number, ascending
    bytes serials;
}

/// @title ICrlReader
/// @notice Reads X.509 certificate revocation lists, version 2, in Intel's profile.
interface ICrlReader {
    /// @notice The list has more than 65,535 bytes. See {ILongCrls}.
    error CrlTooLong(uint256 length);
    /// @notice The reason code at `offset` is not possible in a full list.
    error RevocationReasonInvalid(uint256 offset);
    /// @notice The serial number is zero or has more than 160 bits.
    error RevokedSerialInvalid(uint256 serial);

    /// @notice Reads a CRL in DER. Reverts if a single byte deviates from the profile.
    function read(bytes calldata der) external pure returns (Crl memory crl);
}
