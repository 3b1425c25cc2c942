// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ModelId, RequestId, ShardId} from "./Identifiers.sol";

/// @notice What is taken from a receipt into a settlement; the escrow knows the rest itself. The signature is
/// EIP-2098.
struct StageReceiptParameters {
    ShardId shardId;
    bytes32 inputCommitment;
    bytes32 outputCommitment;
    bytes32 r;
    bytes32 vs;
}

/// @notice What closes a request. `receipts` is in the order of the path; `r`, `vs` is the entry's EIP-2098 signature
/// over the Settlement.
struct SettlementParameters {
    RequestId requestId;
    uint32 inputTokens;
    uint32 outputTokens;
    StageReceiptParameters[] receipts;
    bytes answer;
    bytes32 r;
    bytes32 vs;
}

/// @notice A stage's statement, as it is signed; docs/protocol.md, section 5.
struct StageReceipt {
    RequestId requestId;
    ModelId modelId;
    ShardId shardId;
    uint16 firstLayer;
    uint16 endLayer;
    bytes32 identityDigest;
    uint32 firstPosition;
    uint32 endPosition;
    bytes32 inputCommitment;
    bytes32 outputCommitment;
    bytes32 previousReceipt;
}

/// @notice The entry's statement, as it is signed.
struct Settlement {
    RequestId requestId;
    // After a reorganisation the same number can be somebody else's request: a settlement under way must not end that.
    address requester;
    uint32 inputTokens;
    uint32 outputTokens;
    bytes32 answerHash;
    bytes32 lastReceipt;
}

/// @notice How a deposit is divided, in token wei. Hosts' shares, fee, royalty and refund sum up to the deposit.
struct Split {
    uint256 cost;
    // Includes what the rounding of the hosts' shares leaves over.
    uint256 fee;
    uint256 royalty;
    uint256 refund;
}
