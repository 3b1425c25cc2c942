// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What a model asks of the platforms that serve it, beside the images which it allows. One slot.
struct AttestationPolicy {
    // Bit n: TcbStatus n is good enough. Of UNCHECKED, REVOKED and NOT_SUPPORTED none can be.
    uint16 acceptedStatuses;
    // See TcbPolicy.
    uint16 minimumEvaluationNumber;
    uint32 maxCollateralAge;
    // Masks of what may be set, in the byte order of the quote. The verifier refuses debug, migration and reserved bits
    // whatever stands here.
    bytes8 allowedTdAttributes;
    bytes8 allowedXfam;
    // Whether only platforms count which are listed for the model.
    bool onlyListedPlatforms;
    // How many different hosts and platforms a path must have to be paid. Zero is one.
    uint8 minHosts;
    uint8 minPlatforms;
}
