// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PckCertificate} from "../../interfaces/attestation/IPckCertificates.sol";
import {P256Key} from "../../libraries/P256Verification.sol";
import {QuoteClaims} from "../../types/VerifiedQuote.sol";

/// @title PckRecord
/// @notice Stores a PCK certificate as the code of a contract whose address follows from the store and the
/// certificate's id. Reading it costs one code copy: no call and no storage access.
/// @dev CREATE2 derives the address from the creation code, so that is the same for all records: it calls the store,
/// which creates it, for the content. A record starts with STOP, so that it cannot be executed.
library PckRecord {
    /// @notice There was not enough gas left to create the record.
    error RecordNotCreated(bytes32 pckId);

    /// @dev PUSH4 pendingRecord() · MSTORE · STATICCALL to the creator · RETURN its answer.
    bytes private constant CREATION_CODE = hex"63e37e4d265f525f5f6004601c335afa503d5f5f3e3d5ff3";

    bytes32 private constant CREATION_CODE_HASH = 0x77616ff75e05b539390d9bb1a827b63de396ecdcfd292fff51296e8bb762abaa;

    /// @dev STOP ‖ x ‖ y ‖ PPID 16 ‖ component SVNs 16 ‖ serial 20 ‖ FMSPC 6 ‖ PCE id 2 ‖ PCE SVN 2 ‖ authority 2 ‖
    /// expiry 5 ‖ configuration 1 ‖ SGX type 1 ‖ block 4
    uint256 internal constant BYTES = 140;

    /// @notice The selector that the creation code calls; see {CREATION_CODE}.
    bytes4 internal constant PENDING_RECORD = 0xe37e4d26;

    /// @notice The address of the record of that id, whether it exists or not.
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

    /// @notice Creates the record. Meanwhile, the caller must answer {PENDING_RECORD} with its content.
    function create(bytes32 pckId) internal returns (address record) {
        bytes memory code = CREATION_CODE;
        assembly ("memory-safe") {
            record := create2(0, add(code, 0x20), mload(code), pckId)
        }
        if (record == address(0)) revert RecordNotCreated(pckId);
    }

    /// @notice Encodes a certificate as a record that is created in this block. 32 bits hold its number for 272 years
    /// of a block every two seconds.
    function encode(PckCertificate memory certificate) internal view returns (bytes memory) {
        bytes memory platform = abi.encodePacked(
            certificate.serial,
            certificate.fmspc,
            certificate.pceId,
            certificate.pceSvn,
            certificate.authorityIndex,
            certificate.expiresAt,
            certificate.configuration,
            certificate.sgxType,
            uint32(block.number)
        );
        return abi.encodePacked(
            bytes1(0), certificate.x, certificate.y, certificate.ppid, certificate.componentSvns, platform
        );
    }

    /// @notice Reads the record of that id.
    /// @return certificate All zero if there is none; the `authorityIndex` of a stored one is never zero.
    function read(address store, bytes32 pckId) internal view returns (PckCertificate memory certificate) {
        address record = addressOf(store, pckId);
        uint256 platform;
        uint256 validity;
        uint256 svns;
        assembly ("memory-safe") {
            // past the free memory pointer, which stays: the copy is not needed later
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

    /// @notice The block in which the record of that id was created; zero if there is none.
    function readBlock(address store, bytes32 pckId) internal view returns (uint256 createdIn) {
        address record = addressOf(store, pckId);
        assembly ("memory-safe") {
            // into the scratch space; a copy from beyond the code is zero
            extcodecopy(record, 0, 136, 0x20)
            createdIn := shr(224, mload(0))
        }
    }

    /// @notice Adds what the record of that id says to claims that already have what the quote says.
    /// @return key The certificate's. If there is no record, the authority's index in `claims.pck` is zero.
    function fillClaims(address store, bytes32 pckId, QuoteClaims memory claims)
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
            // past the free memory pointer, which stays: the copy is not needed later
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
