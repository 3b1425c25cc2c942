// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Identity} from "../types/Shard.sol";

/// @title EnclaveIdentity
/// @notice What an enclave puts into its quote; docs/protocol.md, section 3.
library EnclaveIdentity {
    bytes32 internal constant IDENTITY_TYPEHASH = keccak256(
        "TeeTeeIdentity(uint256 chainId,address registry,address host,uint32 modelId,uint16 firstLayer,"
        "uint16 endLayer,bool isEntry,bytes32 sliceDigest,address signer,bytes32 kem,bytes32 tls)"
    );
    bytes32 internal constant REPORT_TYPEHASH =
        keccak256("TeeTeeReport(bytes32 identityDigest,uint256 blockNumber,bytes32 blockHash)");
    bytes32 internal constant ENROLMENT_TYPEHASH =
        keccak256("Enrolment(bytes32 identityDigest,string endpoint,address payout,uint256 blockNumber)");

    /// @notice Binds one enclave's keys, weights and place to a host, a registry and a chain. The same for all its
    /// quotes.
    function digest(Identity memory identity, address registry) internal view returns (bytes32 hash) {
        bytes32 typeHash = IDENTITY_TYPEHASH;
        // keccak256(abi.encode(IDENTITY_TYPEHASH, block.chainid, registry, identity)): in memory, a struct of nine
        // value types is laid out as abi.encode does it
        assembly ("memory-safe") {
            let copy := mload(0x40)
            mstore(copy, typeHash)
            mstore(add(copy, 0x20), chainid())
            mstore(add(copy, 0x40), registry)
            mcopy(add(copy, 0x60), identity, 0x120)
            hash := keccak256(copy, 0x180)
        }
    }

    /// @notice The lower half of the report data: the identity at a time. The upper half is zero.
    function reportData(bytes32 identityDigest, uint256 blockNumber, bytes32 blockHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(REPORT_TYPEHASH, identityDigest, blockNumber, blockHash));
    }

    /// @notice EIP-712 struct hash of the Enrolment.
    function enrolmentHash(bytes32 identityDigest, string memory endpoint, address payout, uint256 blockNumber)
        internal
        pure
        returns (bytes32)
    {
        return
            keccak256(abi.encode(ENROLMENT_TYPEHASH, identityDigest, keccak256(bytes(endpoint)), payout, blockNumber));
    }
}
