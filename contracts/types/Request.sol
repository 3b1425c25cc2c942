// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ModelId, ShardId} from "./Identifiers.sol";

/// @notice Where a request is in its life. OPEN ends in exactly one of the three others, which never change again.
enum RequestStatus {
    NONE, // there is no such request
    OPEN, // paid for, waiting for an answer
    SETTLED, // answered; the path was paid
    REFUNDED, // the deadline passed; deposit and penalty went to the requester
    DECLINED // a recipient could not answer; the deposit went back to the requester
}

/// @notice Why a recipient declines. No reason says anything about the content of the prompt.
enum DeclineReason {
    UNREADABLE, // the envelope does not open
    INVALID, // the envelope opens, but holds no valid prompt, or one that is longer than was paid for
    NO_PATH, // no whole path of active shards is reachable
    OVERLOADED, // there is no capacity before the deadline
    STOPPING // the enclave is shutting down
}

/// @notice What a requester asks for.
struct RequestParameters {
    ModelId modelId;
    // 1 to 4 active entry shards of the model: the first is the primary, the others take over in turn
    ShardId[] recipients;
    // LLM tokens that are paid for, an upper bound each
    uint24 maxInputTokens;
    uint16 maxOutputTokens;
    // token wei: the request reverts if the deposit exceeds it, in case prices rise before it is mined
    uint96 maxDeposit;
    // last Unix second in which a settlement pays
    uint40 deadline;
    // random; part of the envelope's encryption context
    bytes32 clientNonce;
    // the encrypted prompt
    bytes envelope;
}

/// @notice An ERC-2612 permit for the escrow, signed by the caller.
struct Permit {
    // token wei
    uint256 value;
    // Unix seconds
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice An ERC-3009 authorization to pay the escrow. Its nonce is `authorizationNonce(from, parameters)`.
struct Authorization {
    // the requester, who signed it
    address from;
    // token wei
    uint256 value;
    // Unix seconds between which the token accepts it
    uint256 validAfter;
    uint256 validBefore;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice Up to four shard ids of 24 bits each, the primary in the lowest; zero: no recipient. See RecipientList.
type Recipients is uint96;

/// @notice A request as it is stored. Two slots. Both prices are zero on a host's allowance.
struct RequestRecord {
    // slot 0. 32 bits of Unix seconds last until 2106; 16 bits of window hold 18 hours; 24 bits of tokens exceed every
    // context length in use; 16 bits of output tokens exceed what can be generated within a window
    address requester;
    uint32 openedAt;
    // seconds from openedAt to the deadline
    uint16 window;
    RequestStatus status;
    uint24 maxInputTokens;
    uint16 maxOutputTokens;
    // slot 1. Token wei per LLM token, at the time of the request
    uint64 inputPrice;
    uint64 outputPrice;
    Recipients recipients;
    // the first 32 bits of the client's nonce: tells apart two requests that a chain reorganisation gives one id
    bytes4 noncePrefix;
}

/// @notice A request as it is returned to readers: the record, with what follows from it.
struct Request {
    address requester;
    ModelId modelId;
    RequestStatus status;
    // Unix seconds
    uint40 openedAt;
    uint40 deadline;
    // LLM tokens
    uint24 maxInputTokens;
    uint16 maxOutputTokens;
    // token wei per LLM token
    uint64 inputPrice;
    uint64 outputPrice;
    // token wei; what was paid at the time of the request
    uint96 deposit;
    // the primary first
    ShardId[] recipients;
    // the first 32 bits of the client's nonce
    bytes4 noncePrefix;
}
