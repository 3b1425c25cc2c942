// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ModelId, ShardId} from "../types/Identifiers.sol";
import {
    Attestation,
    Circumstances,
    EnrolmentParameters,
    EvictionReason,
    Identity,
    RenewalParameters,
    Shard,
    ShardStatus,
    SignerRecord,
    Stage
} from "../types/Shard.sol";
import {QuoteClaims} from "../types/VerifiedQuote.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {IShardBonds} from "./IShardBonds.sol";

/// @title IShardRegistry
/// @notice Who serves which layers of which model in which attested enclave.
/// @dev A shard is in because its quote was verified here; it is out when its host retires it, or when anyone points
/// out that it is no longer fit. Withdrawing a measurement doesn't touch the shards which run it: each has to be
/// evicted.
interface IShardRegistry is IModelRegistry, IShardBonds {
    error NoAttestationPeriod();

    /// @notice An endpoint is `host:port`, 1 to `max` bytes.
    error EndpointLengthInvalid(uint256 length, uint256 max);

    /// @notice An entry embeds and samples, so its layers begin with the first.
    error EntryMustStartAtLayerZero(uint256 firstLayer);

    /// @notice The signer has a shard already, or the bond of its last one has not been withdrawn yet.
    error SignerAlreadyEnrolled(address signer, ShardId shardId);

    /// @notice The block's hash is no longer, or not yet, to be had: it must be one of the last 8191.
    error BlockHashUnknown(uint256 blockNumber, uint256 currentBlock);

    error ReportDataMismatch(bytes32 expected, bytes32 actual);
    error ReportDataUpperHalfNotZero(bytes32 actual);
    /// @notice The platform's certificates ended at `certifiedUntil` (Unix seconds).
    error PlatformNoLongerCertified(uint256 certifiedUntil);

    /// @notice The claims aren't those of the quote which the shard was attested by last.
    error ClaimsMismatch(ShardId shardId, bytes32 quoteHash, bytes32 claimed);

    /// @notice The enclave's own signature over the enrolment is missing or of something else.
    error EnrolmentNotSigned(address signer, address recovered);

    error NotTheHost(ShardId shardId, address host, address caller);

    /// @notice The keys given for a renewal are not the enrolled ones.
    error IdentityMismatch(ShardId shardId, bytes32 enrolled, bytes32 given);

    error ShardNotRenewable(ShardId shardId, ShardStatus status);
    error ShardStillFit(ShardId shardId);

    /// @notice The shard left and its signer enrolled another; what was kept by its signer is gone. Its events
    /// remain.
    error ShardReplaced(ShardId shardId, ShardId by);

    event ShardEnrolled(
        ShardId indexed shardId,
        ModelId indexed modelId,
        address indexed host,
        uint16 firstLayer,
        uint16 endLayer,
        bool isEntry,
        Attestation attestation
    );
    event ShardRenewed(
        ShardId indexed shardId, ModelId indexed modelId, address indexed host, Attestation attestation
    );
    event ShardRetired(ShardId indexed shardId, address indexed host);
    /// @notice The collateral to judge the shard by isn't in force.
    event ShardPaused(ShardId indexed shardId, address indexed by);
    /// @notice A paused shard was found fit by fresh collateral.
    event ShardResumed(ShardId indexed shardId, address indexed by);
    event ShardEvicted(ShardId indexed shardId, address indexed by, EvictionReason reason);

    /// @notice Enrols the caller's shard: the quote must prove an enclave that runs an allowed image, holds these
    /// keys, has loaded exactly these layers, and was asked for the quote for this host, registry and chain, lately.
    /// Takes the bond from the caller.
    /// @param quote The quote core; docs/protocol.md, section 3.
    /// @param pckId Names the platform's certificate to the verifier.
    /// @param signerSignature 65 bytes, by `parameters.signer` over the Enrolment (EIP-712).
    function enrol(
        EnrolmentParameters calldata parameters,
        bytes calldata quote,
        bytes32 pckId,
        bytes calldata signerSignature
    ) external returns (ShardId shardId);

    /// @notice Extends the attestation of the caller's shard by a fresh quote of the same enclave, and brings it back
    /// if it was evicted.
    function renew(RenewalParameters calldata parameters, bytes calldata quote, bytes32 pckId) external;

    /// @notice Takes the caller's shard out for good; its bond is released after `UNBONDING_PERIOD`.
    function retire(ShardId shardId) external;

    /// @notice Puts a shard out whose attestation has expired or whose measurement was withdrawn. By anyone.
    function evict(ShardId shardId) external;

    /// @notice Judges an enrolled shard anew, by the collateral and the policy of today and without any signature. Fit:
    /// it is active (again). No collateral in force to judge by: it is paused, until somebody brings fresh collateral
    /// and rechecks. Revoked, of a status or features that the policy refuses, unwanted, withdrawn or expired: it is
    /// evicted. By anyone.
    /// @param claims Of the quote which the shard was attested by last; anyone can read them from its calldata.
    /// @return status ACTIVE, PAUSED or EVICTED.
    function recheck(ShardId shardId, QuoteClaims calldata claims) external returns (ShardStatus status);

    /// @notice How many shards have been enrolled; their ids are 1 to this number.
    function shardCount() external view returns (uint256);

    /// @notice The whole shard, as it is stored.
    function shard(ShardId shardId) external view returns (Shard memory);

    /// @notice Whether the shard may be asked now: enrolled, attested, with a whole bond.
    function isActive(ShardId shardId) external view returns (bool);

    /// @notice The active shards of a model among the `limit` ids after `cursor`. Begin with cursor 0.
    /// @return shardIds Ascending.
    /// @return next The cursor of the next page; zero: this was the last one.
    function activeShards(ModelId modelId, ShardId cursor, uint256 limit)
        external
        view
        returns (ShardId[] memory shardIds, ShardId next);

    /// @notice The signer's latest shard; zero: none.
    function shardOf(address signer) external view returns (ShardId);

    /// @notice Block numbers, measurement and leaving time of the signer's latest shard.
    function signerRecord(address signer) external view returns (SignerRecord memory);

    /// @notice The measurement which the shard's last quote showed.
    function measurementOf(ShardId shardId) external view returns (bytes32);

    /// @notice The block whose ShardEnrolled event introduced the shard.
    function enrolmentBlock(ShardId shardId) external view returns (uint256);

    /// @notice The block whose ShardEnrolled or ShardRenewed event holds the shard's present keys, endpoint and
    /// quote.
    function attestationBlock(ShardId shardId) external view returns (uint256);

    /// @notice What a request needs to know of a recipient. All zero for an unknown shard.
    function standingOf(ShardId shardId) external view returns (ModelId modelId, bool isEntry, bool active);

    /// @notice What a settlement needs to know of a shard. All zero for an unknown shard.
    function stage(ShardId shardId) external view returns (Stage memory);

    /// @notice The same for a whole path, as it is stored: one word with the terms of the first shard's model, then
    /// four words for each shard. ShardSlots reads them.
    function pathSlots(ShardId[] calldata shardIds) external view returns (bytes32[] memory words);

    /// @notice Since when shards are paused, and their platforms. Zero for unknown shards.
    function circumstances(ShardId[] calldata shardIds) external view returns (Circumstances[] memory);

    /// @notice docs/protocol.md, section 3.
    function identityDigest(Identity calldata identity) external view returns (bytes32);

    /// @notice The EIP-712 digest which the enclave's signer signs for `enrol`.
    function enrolmentDigest(bytes32 identityDigest_, string calldata endpoint, address payout, uint256 blockNumber)
        external
        view
        returns (bytes32);

    /// @notice Seconds which one quote keeps a shard attested, unless the verifier's verdict ends earlier.
    function ATTESTATION_PERIOD() external view returns (uint32);
}
