// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Identity} from "../types/Shard.sol";

/// @title EnclaveIdentity
/// @notice The digests that an enclave puts into its quote or signs for its enrolment; docs/protocol.md, section 3.
library EnclaveIdentity {
    /// @notice Of what identifies an enclave.
    bytes32 internal constant IDENTITY_TYPEHASH = keccak256(
        "TeeTeeIdentity(uint256 chainId,address registry,address host,uint32 modelId,uint16 firstLayer,"
        "uint16 endLayer,bool isEntry,bytes32 sliceDigest,address signer,bytes32 kem,bytes32 tls)"
    );
    /// @notice Of what the report data binds.
    bytes32 internal constant REPORT_TYPEHASH =
        keccak256("TeeTeeReport(bytes32 identityDigest,uint256 blockNumber,bytes32 blockHash)");
    /// @notice Of what the enclave signs when it is enrolled.
    bytes32 internal constant ENROLMENT_TYPEHASH =
        keccak256("Enrolment(bytes32 identityDigest,string endpoint,address payout,uint256 blockNumber)");

    /// @notice Binds one enclave's keys, weights and layer range to a host, a registry and a chain. It stays the same
    /// when the enclave renews its quote.
    function digest(Identity memory identity, address registry) internal view returns (bytes32 hash) {
        bytes32 typeHash = IDENTITY_TYPEHASH;
        // keccak256(abi.encode(IDENTITY_TYPEHASH, block.chainid, registry, identity)): a struct of nine value types
        // lies in memory as abi.encode writes it
        assembly ("memory-safe") {
            let copy := mload(0x40)
            mstore(copy, typeHash)
            mstore(add(copy, 0x20), chainid())
            mstore(add(copy, 0x40), registry)
            mcopy(add(copy, 0x60), identity, 0x120)
            hash := keccak256(copy, 0x180)
        }
    }

    /// @notice The first half of the report data: the identity and a recent block. The second half is zero.
    function reportData(bytes32 identityDigest, uint256 blockNumber, bytes32 blockHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(REPORT_TYPEHASH, identityDigest, blockNumber, blockHash));
    }

    /// @notice EIP-712 struct hash of the Enrolment. Its domain, "TeeTee Registry" version "1", is set by
    /// {ShardRegistry}'s constructor; in Python it is `registry_domain` in teetee/protocol/typed_data.py.
    function enrolmentHash(bytes32 identityDigest, string memory endpoint, address payout, uint256 blockNumber)
        internal
        pure
        returns (bytes32)
    {
        return
            keccak256(abi.encode(ENROLMENT_TYPEHASH, identityDigest, keccak256(bytes(endpoint)), payout, blockNumber));
    }
}
