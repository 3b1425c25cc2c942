// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ModelId, ShardId} from "./Identifiers.sol";

/// @notice Where a request is in its life. OPEN ends in exactly one of the three others.
enum RequestStatus {
    NONE, // no such request
    OPEN, // paid for, waiting for an answer
    SETTLED, // answered, the path is paid
    REFUNDED, // the deadline passed: everything came back, with the penalty
    DECLINED // an entry said that it cannot answer: everything came back
}

/// @notice Why an entry declines. It tells nothing about what was asked.
enum DeclineReason {
    UNREADABLE, // the envelope does not open
    INVALID, // it opens, but there is no valid prompt in it, or one that is longer than was paid for
    NO_PATH, // no whole path of active shards can be reached
    OVERLOADED, // no room before the deadline
    STOPPING // the enclave is about to leave
}

/// @notice What a requester asks for.
struct RequestParameters {
    ModelId modelId;
    // 1 to 4 active entry shards of the model; the first is the primary, the others take over in turn.
    ShardId[] recipients;
    uint24 maxInputTokens;
    uint16 maxOutputTokens;
    // The most that the requester is ready to deposit, in token wei: a guard against prices that change meanwhile.
    uint96 maxDeposit;
    // Last second in which a settlement can pay.
    uint40 deadline;
    bytes32 clientNonce;
    bytes envelope;
}

/// @notice An ERC-2612 permit for the escrow, signed by the caller.
struct Permit {
    uint256 value;
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice An ERC-3009 authorization to pay the escrow; its nonce is `authorizationNonce(from, parameters)`.
struct Authorization {
    address from;
    uint256 value;
    uint256 validAfter;
    uint256 validBefore;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice Up to four shard ids, the primary in the lowest 32 bits, zero where there is none.
type Recipients is uint128;

/// @notice A request as it is stored. A request on a host's allowance has both prices zero.
struct RequestRecord {
    // slot 0: 32 bits of Unix seconds last until 2106, 16 bits of window 18 hours; 24 bits of tokens exceed every
    // context length in use, 16 bits of output what can be generated within a window
    address requester;
    uint32 openedAt;
    uint16 window;
    RequestStatus status;
    uint24 maxInputTokens;
    uint16 maxOutputTokens;
    // slot 1: the prices of the time of the request
    uint64 inputPrice;
    uint64 outputPrice;
    Recipients recipients;
}

/// @notice A request as it is shown.
struct Request {
    address requester;
    ModelId modelId;
    RequestStatus status;
    uint40 openedAt;
    uint40 deadline;
    uint24 maxInputTokens;
    uint16 maxOutputTokens;
    uint64 inputPrice;
    uint64 outputPrice;
    uint96 deposit;
    ShardId[] recipients;
}
