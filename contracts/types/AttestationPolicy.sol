// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What a model demands of the platforms that serve it, and of paths. One slot; PolicyWord reads it as a word.
struct AttestationPolicy {
    // bit n: TcbStatus n is accepted; never UNCHECKED, REVOKED or NOT_SUPPORTED
    uint16 acceptedStatuses;
    // see TcbPolicy
    uint16 minimumEvaluationNumber;
    // seconds; see TcbPolicy
    uint32 maxCollateralAge;
    // masks of what may be set, in the byte order of the quote; the verifier always refuses debug, migration and
    // reserved bits
    bytes8 allowedTdAttributes;
    bytes8 allowedXfam;
    // whether a platform must be on the model's list
    bool onlyListedPlatforms;
    // how many different hosts and platforms a path must have to be paid; zero counts as one
    uint8 minHosts;
    uint8 minPlatforms;
}
