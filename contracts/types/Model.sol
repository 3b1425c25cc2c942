// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What a publisher says about a model. The digests are those of docs/protocol.md, section 2.
struct ModelParameters {
    string name;
    // one per layer, in order
    bytes32[] layerDigests;
    bytes32 embeddingDigest;
    bytes32 headDigest;
    // maximum of input and output tokens together
    uint32 contextLength;
    // how many layers embedding and head count for when a path's earnings are split
    uint16 entryLayerEquivalents;
    // token wei per LLM token, never zero
    uint64 inputPrice;
    uint64 outputPrice;
    // in 1/10000 of a request's cost
    uint16 royaltyBps;
    // zero only without a royalty
    address royaltyRecipient;
    // of the model's first policy, at most 255; see TcbPolicy. Zero: any set that Intel still keeps in force.
    uint16 minimumEvaluationNumber;
    // where the manifest is, the JSON of all digests
    string manifestURI;
}

/// @notice A model as it is stored. Only prices, minHosts and minPlatforms ever change.
struct Model {
    // slot 0: what a request reads. Token wei per LLM token; 64 bits hold 18 tokens.
    uint64 inputPrice;
    uint64 outputPrice;
    // LLM tokens
    uint32 contextLength;
    // slot 1: what a settlement reads; see ModelTerms
    address royaltyRecipient;
    uint16 royaltyBps;
    uint16 layerCount;
    uint16 entryLayerEquivalents;
    uint8 minHosts;
    uint8 minPlatforms;
    // slot 2: the contract whose code is the layer digests
    address layerDigests;
    // slots 3 and on: what an enrolment of an entry reads, and what only readers need
    bytes32 embeddingDigest;
    bytes32 headDigest;
    string name;
    string manifestURI;
}

/// @notice Whether a model's shards may run the image of a measurement. One slot per model and measurement.
struct MeasurementRecord {
    // position among the model's measurements in the order of their first permission, from 1; zero: never allowed
    uint32 index;
    bool isAllowed;
}

/// @notice What a settlement needs to know of a model.
struct ModelTerms {
    address royaltyRecipient;
    // in 1/10000 of a request's cost
    uint16 royaltyBps;
    uint16 layerCount;
    // in whole layers
    uint16 entryLayerEquivalents;
    // how many different hosts and platforms a path must have, copied from the model's policy; zero counts as one
    uint8 minHosts;
    uint8 minPlatforms;
}
