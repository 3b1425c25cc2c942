// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PckCertificate} from "../../interfaces/attestation/IPckCertificates.sol";
import {P256Key} from "../../libraries/P256Verification.sol";
import {QuoteClaims} from "../../types/VerifiedQuote.sol";

/// @title PckRecord
/// @notice Keeps a PCK certificate as the code of a contract whose address follows from the store and the certificate's
/// id: whoever knows both reads it at the price of one code copy, without a call and without a lookup.
/// @dev CREATE2 takes the address from the creation code, so the code is the same for all records: it asks the store,
/// which creates it, for the contents. A record begins with STOP, so that nobody runs it.
library PckRecord {
    /// @notice There wasn't gas enough left to create the record.
    error RecordNotCreated(bytes32 pckId);

    /// @dev PUSH4 pendingRecord() · MSTORE · STATICCALL to the creator · RETURN what it said.
    bytes private constant CREATION_CODE = hex"63e37e4d265f525f5f6004601c335afa503d5f5f3e3d5ff3";

    bytes32 private constant CREATION_CODE_HASH = 0x77616ff75e05b539390d9bb1a827b63de396ecdcfd292fff51296e8bb762abaa;

    /// @dev STOP ‖ x ‖ y ‖ PPID 16 ‖ component SVNs 16 ‖ serial 20 ‖ FMSPC 6 ‖ PCE id 2 ‖ PCE SVN 2 ‖ authority 2 ‖
    /// expiry 5 ‖ configuration 1 ‖ SGX type 1
    uint256 internal constant BYTES = 136;

    /// @notice What the creation code asks for. See {CREATION_CODE}.
    bytes4 internal constant PENDING_RECORD = 0xe37e4d26;

    /// @notice Where the record with that id is, or will be.
    function addressOf(address store, bytes32 pckId) internal pure returns (address record) {
        assembly ("memory-safe") {
            // keccak256(ff ‖ store ‖ pckId ‖ CREATION_CODE_HASH): 85 bytes, past the free memory pointer
            let copy := mload(0x40)
            mstore(copy, or(shl(248, 0xff), shl(88, store)))
            mstore(add(copy, 21), pckId)
            mstore(add(copy, 53), CREATION_CODE_HASH)
            record := and(keccak256(copy, 85), 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }

    /// @notice Creates the record. The caller answers {PENDING_RECORD} with it while this runs.
    function create(bytes32 pckId) internal returns (address record) {
        bytes memory code = CREATION_CODE;
        assembly ("memory-safe") {
            record := create2(0, add(code, 0x20), mload(code), pckId)
        }
        if (record == address(0)) revert RecordNotCreated(pckId);
    }

    /// @notice Writes a certificate in the form of a record.
    function encode(PckCertificate memory certificate) internal pure returns (bytes memory) {
        bytes memory platform = abi.encodePacked(
            certificate.serial,
            certificate.fmspc,
            certificate.pceId,
            certificate.pceSvn,
            certificate.authorityIndex,
            certificate.expiresAt,
            certificate.configuration,
            certificate.sgxType
        );
        return abi.encodePacked(
            bytes1(0), certificate.x, certificate.y, certificate.ppid, certificate.componentSvns, platform
        );
    }

    /// @notice Reads the record with that id.
    /// @return certificate All zero when there is none; a stored one's `authorityIndex` never is.
    function read(address store, bytes32 pckId) internal view returns (PckCertificate memory certificate) {
        address record = addressOf(store, pckId);
        uint256 platform;
        uint256 validity;
        uint256 svns;
        assembly ("memory-safe") {
            // past the free memory pointer, which stays: nothing of this is kept
            let copy := mload(0x40)
            calldatacopy(copy, calldatasize(), 0xa0)
            extcodecopy(record, copy, 1, 135)
            mstore(certificate, mload(copy))
            mstore(add(certificate, 0x20), mload(add(copy, 0x20)))
            svns := mload(add(copy, 0x40))
            platform := mload(add(copy, 0x60))
            validity := mload(add(copy, 0x80))
        }
        certificate.ppid = bytes16(bytes32(svns));
        certificate.componentSvns = bytes16(uint128(svns));
        certificate.serial = uint160(platform >> 96);
        certificate.fmspc = bytes6(uint48(platform >> 48));
        certificate.pceId = bytes2(uint16(platform >> 32));
        certificate.pceSvn = uint16(platform >> 16);
        certificate.authorityIndex = uint16(platform);
        certificate.expiresAt = uint40(validity >> 216);
        certificate.configuration = uint8(validity >> 208);
        certificate.sgxType = uint8(validity >> 200);
    }

    /// @notice Writes what the record with that id says into claims, which hold what the quote says already.
    /// @return key The certificate's. Without a record, {authorityOf} the claims is zero.
    function claim(address store, bytes32 pckId, QuoteClaims memory claims)
        internal
        view
        returns (P256Key memory key)
    {
        address record = addressOf(store, pckId);
        uint256 components;
        bytes32 pck;
        uint256 end;
        bytes32 platformId;
        assembly ("memory-safe") {
            // past the free memory pointer, which stays: nothing of this is kept
            let copy := mload(0x40)
            mstore(add(copy, 0x60), 0)
            extcodecopy(record, copy, 1, 135)
            mstore(key, mload(copy))
            mstore(add(key, 0x20), mload(add(copy, 0x20)))
            platformId := keccak256(add(copy, 0x40), 16)
            components := shl(128, mload(add(copy, 0x40)))
            pck := mload(add(copy, 0x60))
            end := shr(216, mload(add(copy, 0x80)))
        }
        claims.platformId = platformId;
        claims.svns |= bytes32(components);
        claims.pck = pck;
        claims.qeAndEnd |= bytes32(end);
    }
}
