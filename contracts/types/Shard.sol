// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ModelId, ShardId} from "./Identifiers.sol";
import {TcbStatus} from "./VerifiedQuote.sol";

enum ShardStatus {
    NONE, // no such shard
    ACTIVE, // enrolled; it serves only while its attestation has not expired and its bond is whole
    RETIRED, // left by its host's wish
    EVICTED, // put out because it was unfit; a renewal brings it back
    PAUSED // its collateral went stale; a recheck with fresh collateral brings it back. It ends what was asked before.
}

enum EvictionReason {
    ATTESTATION_EXPIRED,
    MEASUREMENT_WITHDRAWN,
    PLATFORM_UNWANTED, // denied, or not listed where only listed ones count
    CERTIFICATE_REVOKED,
    TCB_STATUS_REFUSED,
    FEATURES_REFUSED // TD attributes or XFAM
}

/// @notice A shard as it is stored.
struct Shard {
    // slot 0: what a recheck reads. 32 bits of Unix seconds last until 2106.
    address host;
    uint32 attestedUntil;
    ModelId modelId;
    uint16 firstLayer;
    ShardStatus status;
    bool isEntry;
    // slot 1: who signs, and answers for it with what. 80 bits hold 1.2 million tokens.
    address signer;
    uint80 bond;
    uint16 endLayer;
    // slot 2: binds everything that does not change as long as the shard exists
    bytes32 identityDigest;
    // slot 3: the quote which it was attested by last; see QuoteClaims
    bytes32 quoteHash;
}

/// @notice What is kept by the address of a shard's signer. One slot.
struct SignerRecord {
    ShardId shardId;
    // Block of the ShardEnrolled event.
    uint40 enrolledAtBlock;
    // Block of the last event which carries an Attestation: ShardEnrolled or the newest ShardRenewed.
    uint40 attestedAtBlock;
    // When the shard was retired, evicted or paused; zero while it is active.
    uint40 leftAt;
    // Which of its model's measurements the last quote showed; see MeasurementRecord.
    uint32 measurementIndex;
    // The first 64 bits of its platform's id. Equal ones are taken for the same platform, so they can only deny a path.
    bytes8 platformTag;
}

/// @notice What a host says about a shard that is to be enrolled. `endpoint` is `host:port`.
struct EnrolmentParameters {
    ModelId modelId;
    uint16 firstLayer;
    uint16 endLayer;
    bool isEntry;
    address signer;
    bytes32 kem;
    bytes32 tls;
    string endpoint;
    // Where the host's earnings go. Fixed by the host's first enrolment; must be repeated in later ones.
    address payout;
    // The block whose hash is in the quote's report data.
    uint256 blockNumber;
}

/// @notice What a host says when its shard shows a fresh quote. The keys must be the enrolled ones; they are given so
/// that the event can carry them.
struct RenewalParameters {
    ShardId shardId;
    bytes32 kem;
    bytes32 tls;
    string endpoint;
    uint256 blockNumber;
}

/// @notice What identityDigest binds, besides chain and registry; docs/protocol.md, section 3.
struct Identity {
    address host;
    ModelId modelId;
    uint16 firstLayer;
    uint16 endLayer;
    bool isEntry;
    bytes32 sliceDigest;
    address signer;
    bytes32 kem;
    bytes32 tls;
}

/// @notice Everything that a reader needs to check a shard again; only in events, never stored.
struct Attestation {
    address signer;
    bytes32 kem;
    bytes32 tls;
    bytes32 sliceDigest;
    bytes32 identityDigest;
    bytes32 quoteHash;
    bytes32 measurement;
    bytes32 pckId;
    bytes32 platformId;
    TcbStatus tcbStatus;
    // The evaluation number of the TCB info that the status is from, and when the first of the collateral ends.
    uint16 evaluationNumber;
    uint40 collateralUntil;
    uint32 attestedUntil;
    uint256 blockNumber;
    bytes32 blockHash;
    string endpoint;
}

/// @notice What only some settlements need to know of a shard.
struct Circumstances {
    // Unix seconds; zero: it isn't paused.
    uint40 pausedAt;
    bytes8 platformTag;
}

/// @notice What a settlement needs to know of one shard of its path.
struct Stage {
    ShardId shardId;
    address signer;
    address host;
    ModelId modelId;
    uint16 firstLayer;
    uint16 endLayer;
    bool isEntry;
    // ACTIVE and not expired. Whether its bond is whole counts when it is asked, not when it is paid for an answer:
    // otherwise one penalty would turn all other answers which are under way into penalties.
    bool isAttested;
    // PAUSED and not expired.
    bool isPaused;
    bytes32 identityDigest;
    bytes32 quoteHash;
}
