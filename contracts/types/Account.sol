// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What the escrow keeps for an address. One slot.
struct Account {
    // token wei that can be withdrawn or spent on the next request; 96 bits hold the token's whole supply
    uint96 credit;
    // layers × LLM tokens served in paid requests so far; 64 bits hold 2^29 of the largest requests
    uint64 servedLayerTokens;
    // LLM tokens that are used, or reserved by open requests, on `allowanceDay`
    uint64 allowanceUsed;
    // UTC day: Unix seconds / 86400
    uint32 allowanceDay;
}
