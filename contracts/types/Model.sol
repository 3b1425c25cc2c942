// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What a publisher says about a model. The digests are those of docs/protocol.md, section 2.
struct ModelParameters {
    string name;
    bytes32[] layerDigests;
    bytes32 embeddingDigest;
    bytes32 headDigest;
    // Most positions that one request can use.
    uint32 contextLength;
    // What embedding and head count for, in whole layers, when an entry's share is weighed.
    uint16 entryLayerEquivalents;
    // Token wei per LLM token, never zero.
    uint64 inputPrice;
    uint64 outputPrice;
    // Of the cost of each request, in 1/10000.
    uint16 royaltyBps;
    address royaltyRecipient;
    string manifestURI;
}

/// @notice A published model as it is stored. Only the prices and what a path must be like ever change.
struct Model {
    // slot 0: what a request reads. 64 bits hold 18 tokens per LLM token.
    uint64 inputPrice;
    uint64 outputPrice;
    uint32 contextLength;
    // slot 1: what a settlement reads
    address royaltyRecipient;
    uint16 royaltyBps;
    uint16 layerCount;
    uint16 entryLayerEquivalents;
    // of the model's AttestationPolicy
    uint8 minHosts;
    uint8 minPlatforms;
    // slot 2: the contract whose code holds the layer digests
    address layerDigests;
    bytes32 embeddingDigest;
    bytes32 headDigest;
    string name;
    string manifestURI;
}

/// @notice Whether a model's shards may run what has this measurement. One slot, found by the measurement.
struct MeasurementRecord {
    // Position in the order in which measurements were first allowed, from 1; zero: never allowed.
    uint32 index;
    bool isAllowed;
}

/// @notice What a settlement needs to know of a model.
struct ModelTerms {
    address royaltyRecipient;
    uint16 royaltyBps;
    uint16 layerCount;
    uint16 entryLayerEquivalents;
    // How many different ones a path must have; zero is one.
    uint8 minHosts;
    uint8 minPlatforms;
}
