// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ModelId, ShardId} from "./Identifiers.sol";
import {QuoteClaims, TcbStatus} from "./VerifiedQuote.sol";

/// @notice Where a shard is in its life.
enum ShardStatus {
    NONE, // there is no such shard
    ACTIVE, // enrolled; it gets requests while its attestation has not expired and its bond is whole
    RETIRED, // its host retired it, for good
    EVICTED, // found unfit; a renewal brings it back if its bond is whole
    PAUSED // no collateral was in force at its last recheck; it gets no new requests, older ones can be settled
}

/// @notice Why a shard was evicted.
enum EvictionReason {
    ATTESTATION_EXPIRED, // its attestation has expired
    MEASUREMENT_WITHDRAWN, // the model no longer allows its image
    PLATFORM_UNWANTED, // its platform is denied, or not listed although the model's policy requires it
    CERTIFICATE_REVOKED, // a CRL lists its platform's certificate or the authority of that
    TCB_STATUS_REFUSED, // the model's policy does not accept its platform's TCB status
    FEATURES_REFUSED // the model's policy does not allow its TD attributes or XFAM
}

/// @notice What a recheck finds. Never stored.
enum Fitness {
    UNKNOWN, // no collateral is in force to assess it by, or only in a stricter set than the policy demands
    FIT, // it would pass an enrolment today
    UNFIT // it would fail an enrolment, and no fresh collateral can change that
}

/// @notice A shard as it is stored. Four slots.
struct Shard {
    // slot 0: what a recheck reads
    address host;
    // Unix seconds, inclusive; 32 bits last until the year 2106
    uint32 attestedUntil;
    ModelId modelId;
    uint16 firstLayer;
    ShardStatus status;
    // whether it also holds tokenizer, embedding and head
    bool isEntry;
    // slot 1: the enclave's key for receipts, and what is at stake
    address signer;
    // token wei; 80 bits hold 1.2 million tokens
    uint80 bond;
    // first layer that it does not serve
    uint16 endLayer;
    // slot 2: binds keys, layers and host of a shard; only {IShardRegistry.rekey} changes it; see Identity
    bytes32 identityDigest;
    // slot 3: the quote that it was last attested by; see QuoteClaims
    bytes32 quoteHash;
}

/// @notice What is stored under the address of a shard's signer. One slot.
struct SignerRecord {
    // the signer's latest shard
    ShardId shardId;
    // block of the ShardEnrolled event
    uint40 enrolledAtBlock;
    // block of the last event with an Attestation: ShardEnrolled, or the latest ShardRenewed or ShardRekeyed
    uint40 attestedAtBlock;
    // Unix seconds at which the shard was retired, evicted or paused; zero while it is active
    uint40 leftAt;
    // which of its model's measurements the last quote had; see MeasurementRecord
    uint32 measurementIndex;
    // first 64 bits of the platform id. Equal tags count as one platform, so a collision can only refuse a path.
    bytes8 platformTag;
}

/// @notice A host's request to enrol a shard.
struct EnrolmentParameters {
    ModelId modelId;
    // layers [firstLayer, endLayer)
    uint16 firstLayer;
    uint16 endLayer;
    bool isEntry;
    // the enclave's keys: address of secp256k1, X25519, SHA-256 of the TLS key's SubjectPublicKeyInfo
    address signer;
    bytes32 kem;
    bytes32 tls;
    // `host:port`
    string endpoint;
    // where the host's earnings go: fixed by the host's first enrolment, the same in later ones
    address payout;
    // the block whose hash is in the quote's report data
    uint256 blockNumber;
}

/// @notice A host's request to extend an attestation. The keys are the enrolled ones; they are repeated so that the
/// event has them.
struct RenewalParameters {
    ShardId shardId;
    bytes32 kem;
    bytes32 tls;
    // may differ from the enrolled one
    string endpoint;
    // the block whose hash is in the quote's report data
    uint256 blockNumber;
}

/// @notice A host's request to replace the keys of its shard. Model, layers and kind stay those of the enrolment.
struct RekeyParameters {
    ShardId shardId;
    // the new keyset, as in EnrolmentParameters
    address signer;
    bytes32 kem;
    bytes32 tls;
    // may differ from the enrolled one
    string endpoint;
    // the block whose hash is in the quote's report data
    uint256 blockNumber;
}

/// @notice What identityDigest binds, in addition to chain and registry; docs/protocol.md, section 3.
struct Identity {
    address host;
    ModelId modelId;
    uint16 firstLayer;
    uint16 endLayer;
    bool isEntry;
    // of the weights that the enclave has loaded
    bytes32 sliceDigest;
    // the keyset, as in EnrolmentParameters
    address signer;
    bytes32 kem;
    bytes32 tls;
}

/// @notice Everything that a reader needs to verify a shard again, beside its quote. Only in events, never stored.
struct Attestation {
    // the keyset, as in EnrolmentParameters
    address signer;
    bytes32 kem;
    bytes32 tls;
    bytes32 sliceDigest;
    bytes32 identityDigest;
    // keccak256(abi.encode(claims)), which is stored
    bytes32 quoteHash;
    // what a recheck takes; image and platform among them
    QuoteClaims claims;
    // the PCK certificate, by the hash of its tbsCertificate
    bytes32 pckId;
    TcbStatus tcbStatus;
    // of the TCB info that the status is from; zero: the verifier used none
    uint16 evaluationNumber;
    // Unix seconds at which the first item of the collateral expires; zero: the verifier knows no such time
    uint40 collateralUntil;
    // Unix seconds, inclusive
    uint32 attestedUntil;
    // the block that the quote was requested at
    uint256 blockNumber;
    bytes32 blockHash;
    // `host:port`
    string endpoint;
}

/// @notice What a settlement needs to know of a shard only if a stage is paused or platforms must differ.
struct PauseAndPlatform {
    // Unix seconds; zero: it is not paused
    uint40 pausedAt;
    // see SignerRecord
    bytes8 platformTag;
}

/// @notice What a settlement needs to know of one shard of its path.
struct Stage {
    ShardId shardId;
    // zero: there is no such shard
    address signer;
    address host;
    ModelId modelId;
    uint16 firstLayer;
    uint16 endLayer;
    bool isEntry;
    // ACTIVE and not expired. Its bond does not count here: it has to be whole when the shard is chosen, and a penalty
    // for one request must not take the earnings of others that are open.
    bool isAttested;
    // PAUSED and not expired
    bool isPaused;
    bytes32 identityDigest;
    bytes32 quoteHash;
}
