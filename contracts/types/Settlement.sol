// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ModelId, RequestId, ShardId} from "./Identifiers.sol";

/// @notice The part of a stage's receipt that a settlement carries; the escrow knows the rest.
struct StageReceiptParameters {
    ShardId shardId;
    // HMACs of the tensors that the stage received and sent; docs/protocol.md, section 5
    bytes32 inputCommitment;
    bytes32 outputCommitment;
    // the stage's EIP-2098 signature over the StageReceipt
    bytes32 r;
    bytes32 vs;
}

/// @notice What settles a request.
struct SettlementParameters {
    RequestId requestId;
    // LLM tokens, at most the request's caps
    uint32 inputTokens;
    uint32 outputTokens;
    // in the order of the path, the entry first
    StageReceiptParameters[] receipts;
    // encrypted for the requester
    bytes answer;
    // the entry's EIP-2098 signature over the Settlement
    bytes32 r;
    bytes32 vs;
}

/// @notice A stage's statement as it is signed; docs/protocol.md, section 5.
struct StageReceipt {
    RequestId requestId;
    ModelId modelId;
    ShardId shardId;
    // layers [firstLayer, endLayer)
    uint16 firstLayer;
    uint16 endLayer;
    bytes32 identityDigest;
    // positions [firstPosition, endPosition); a settled receipt starts at 0
    uint32 firstPosition;
    uint32 endPosition;
    bytes32 inputCommitment;
    bytes32 outputCommitment;
    // EIP-712 struct hash of the receipt of the stage before; zero for the entry
    bytes32 previousReceipt;
}

/// @notice The entry's statement as it is signed; docs/protocol.md, section 5.
struct Settlement {
    RequestId requestId;
    // after a chain reorganisation another request can have the same id: it must not be settled
    address requester;
    // the first 32 bits of the client's nonce
    bytes4 noncePrefix;
    uint32 inputTokens;
    uint32 outputTokens;
    // keccak256 of the encrypted answer
    bytes32 answerHash;
    // EIP-712 struct hash of the last stage's receipt
    bytes32 lastReceipt;
}

/// @notice How a deposit is divided, in token wei: hosts' shares + fee + royalty + refund = deposit.
struct Split {
    // of what was used: hosts' shares + fee + royalty
    uint256 cost;
    // includes what rounding leaves of the hosts' shares
    uint256 fee;
    uint256 royalty;
    // deposit - cost
    uint256 refund;
}
