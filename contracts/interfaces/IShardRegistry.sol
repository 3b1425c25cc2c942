// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ModelId, ShardId} from "../types/Identifiers.sol";
import {
    Attestation,
    EnrolmentParameters,
    EvictionReason,
    Identity,
    PauseAndPlatform,
    RekeyParameters,
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
/// @dev The life of a shard:
///
///     NONE ── enrol ──► ACTIVE ─┬─ recheck ────────► PAUSED    no collateral is in force; recheck or renew resumes it
///                               ├─ retire ─────────► RETIRED   by its host, for good
///                               └─ evict, recheck ─► EVICTED   no longer fit, at anyone's call; renew brings it back
///
/// {rekey} does what {renew} does, and replaces the keys of an enclave whose machine was rebooted. A paused shard can
/// be retired and evicted like an active one. An active shard gets requests only while its attestation has not expired
/// and its bond is whole; neither changes its status.
///
/// A shard is enrolled because its quote was verified here: the quote shows which image runs, which keys the enclave
/// holds, which weights it has loaded and for which host, and how well its platform is patched. It leaves when its host
/// retires it, or when anyone shows that it is no longer fit: {evict} for what the registry itself knows, {recheck} for
/// what the collateral and the policy of today say.
///
/// One signer has one shard at a time, and one record: block numbers, measurement and platform of its latest shard.
///
/// What the registry does not guarantee: that a shard which is no longer fit is out. Withdrawing a measurement, denying
/// a platform or uploading collateral touches no shard; someone has to call. It does not know either whether an enclave
/// still runs.
interface IShardRegistry is IModelRegistry, IShardBonds {
    /* ENROLMENT */

    /// @notice The attestation period given to the constructor is zero.
    error NoAttestationPeriod();

    /// @notice All shard ids are used up.
    error TooManyShards(uint256 max);

    /// @notice An endpoint is `host:port` and has 1 to `max` bytes.
    error EndpointLengthInvalid(uint256 length, uint256 max);

    /// @notice A byte of the endpoint, one of the 32 from `offset` on, is no printable ASCII character: not in 0x21 to
    /// 0x7e.
    error EndpointNotPrintable(uint256 offset);

    /// @notice An entry embeds the prompt, so its layers start with the first.
    error EntryMustStartAtLayerZero(uint256 firstLayer);

    /// @notice The signer has an enrolled shard, or the bond of its last one has not been withdrawn.
    error SignerAlreadyEnrolled(address signer, ShardId shardId);

    /// @notice The enclave's signature over the enrolment recovers to another address; zero: it is malformed.
    error EnrolmentNotSigned(address signer, address recovered);

    /// @notice The block's hash is not available: it must be one of the last 8191 blocks.
    error BlockHashUnknown(uint256 blockNumber, uint256 currentBlock);

    /// @notice New keys need a quote over a block after the shard's last attestation: quotes made in advance could
    /// change keys to and fro.
    error RekeyQuoteNotNewer(uint256 blockNumber, uint256 attestedAtBlock);

    /// @notice The quote is of another identity, registry, chain or block: its report data is not what it must be.
    error ReportDataMismatch(bytes32 expected, bytes32 actual);

    /// @notice The second half of the quote's report data is not zero.
    error ReportDataUpperHalfNotZero(bytes32 actual);

    /// @notice The platform's certificates expired at `certifiedUntil` (Unix seconds).
    error PlatformNoLongerCertified(uint256 certifiedUntil);

    /// @notice A shard was enrolled.
    /// @param endLayer First layer that the shard does not serve.
    /// @param attestation What a reader needs to verify the shard again. It is only here, in {ShardRenewed} and in
    /// {ShardRekeyed}.
    /// @param quote The argument of the same name. No reader needs the transaction's calldata, which has it only if the
    /// host called without another contract between.
    event ShardEnrolled(
        ShardId indexed shardId,
        ModelId indexed modelId,
        address indexed host,
        uint16 firstLayer,
        uint16 endLayer,
        bool isEntry,
        Attestation attestation,
        bytes quote
    );

    /// @notice Enrols a shard of the caller and collects its bond. Anyone may call.
    /// @dev The quote must prove an enclave that
    /// - runs an image of an allowed measurement,
    /// - is on a platform whose TCB status and features the model's policy accepts,
    /// - holds the private keys of these public ones, and has loaded exactly these layers,
    /// - requested the quote at one of the last 8191 blocks, for this host, registry and chain.
    ///
    /// Reverts with one of the errors above, with those of {IModelRegistry}, with {ZeroPayout}, {PayoutRefused} or
    /// {PayoutFixed}, or as verifier and token revert.
    /// @param parameters What the host states; everything but `endpoint` and `payout` is in the quote.
    /// @param quote The quote core; docs/protocol.md, section 3.
    /// @param pckId Names the platform's certificate to the verifier.
    /// @param signerSignature 65 bytes: by `parameters.signer`, over the EIP-712 struct Enrolment.
    function enrol(
        EnrolmentParameters calldata parameters,
        bytes calldata quote,
        bytes32 pckId,
        bytes calldata signerSignature
    ) external returns (ShardId shardId);

    /// @notice The EIP-712 digest that the enclave's signer signs for {enrol}; docs/protocol.md, section 3.
    /// @param blockNumber The block whose hash is in the quote's report data.
    function enrolmentDigest(bytes32 identityDigest_, string calldata endpoint, address payout, uint256 blockNumber)
        external
        view
        returns (bytes32);

    /// @notice The digest of an enclave's identity, on this chain and at this registry; docs/protocol.md, section 3.
    /// @dev Purely computed: the identity need not be enrolled.
    function identityDigest(Identity calldata identity) external view returns (bytes32);

    /// @notice Seconds that one quote keeps a shard attested, unless the platform's certificates expire earlier.
    function ATTESTATION_PERIOD() external view returns (uint32);

    /* RENEWAL */

    /// @notice Only the shard's host.
    error NotTheHost(ShardId shardId, address host, address caller);

    /// @notice The shard was retired, or its signer has enrolled another one since.
    error ShardNotRenewable(ShardId shardId, ShardStatus status);

    /// @notice The keys given are not the enrolled ones.
    error IdentityMismatch(ShardId shardId, bytes32 enrolled, bytes32 given);

    /// @notice A shard's attestation was extended; it is ACTIVE.
    /// @param attestation Replaces that of the events before.
    /// @param quote The argument of the same name.
    event ShardRenewed(
        ShardId indexed shardId, ModelId indexed modelId, address indexed host, Attestation attestation, bytes quote
    );

    /// @notice Extends the attestation of the caller's shard with a fresh quote of the same enclave. A paused or
    /// evicted shard becomes active again. Only the shard's host.
    /// @dev The bond is not touched: an enrolled shard whose bond is not whole is renewed, but gets no requests. An
    /// evicted one is renewed with a whole bond only. Reverts with {UnknownShard}, {BondNotWhole}, one of the errors
    /// above, or for the reasons that {enrol} has about endpoint and quote.
    /// @param quote The quote core; docs/protocol.md, section 3.
    /// @param pckId Names the platform's certificate to the verifier.
    function renew(RenewalParameters calldata parameters, bytes calldata quote, bytes32 pckId) external;

    /* REKEYING */

    /// @notice A shard has new keys and is ACTIVE. Its id, bond, host and layers are the same.
    /// @param attestation Replaces that of the events before; it has the new keys and identity.
    /// @param quote The argument of the same name.
    event ShardRekeyed(
        ShardId indexed shardId, ModelId indexed modelId, address indexed host, Attestation attestation, bytes quote
    );

    /// @notice Replaces the keys of the caller's shard by those of an enclave after a reboot, with a fresh quote
    /// over the new identity. A paused or evicted shard becomes active. Only the shard's host.
    /// @dev An enclave makes its keys when its machine boots and never stores them, so a reboot would otherwise cost a
    /// second bond and the unbonding period of the first. The bond is not touched. Requests that are sealed to the old
    /// keys can be answered by their other recipients, or are declined or refunded; receipts of the old signer no
    /// longer settle. The new signer must be free, as for {enrol}; the old signer's record is deleted. The quote binds
    /// the new keys to this host, so the enclave signs nothing else. Reverts with {SignerAlreadyEnrolled} and
    /// {RekeyQuoteNotNewer}, or for the reasons that {renew} has, except {IdentityMismatch}.
    /// @param quote The quote core; docs/protocol.md, section 3.
    /// @param pckId Names the platform's certificate to the verifier.
    function rekey(RekeyParameters calldata parameters, bytes calldata quote, bytes32 pckId) external;

    /* RETIREMENT AND EVICTION */

    /// @notice The shard's attestation has not expired and its measurement is allowed.
    error ShardStillFit(ShardId shardId);

    /// @notice A host retired its shard. Its bond is released after `UNBONDING_PERIOD`.
    event ShardRetired(ShardId indexed shardId, address indexed host);

    /// @notice A shard was evicted, at the call of `by`. Its bond is released after `UNBONDING_PERIOD`.
    event ShardEvicted(ShardId indexed shardId, address indexed by, EvictionReason reason);

    /// @notice Retires the caller's shard for good; its bond is released after `UNBONDING_PERIOD`. Only its host.
    /// @dev Answers that the shard takes part in can no longer be settled. Reverts with {UnknownShard}, {NotTheHost} or
    /// {ShardNotActive}.
    function retire(ShardId shardId) external;

    /// @notice Evicts a shard whose attestation has expired or whose measurement was withdrawn. Anyone may call.
    /// @dev Costs less than a recheck and needs no claims, but knows only what the registry stores. Reverts with
    /// {UnknownShard}, {ShardNotActive} or {ShardStillFit}.
    function evict(ShardId shardId) external;

    /* RECHECK */

    /// @notice The claims hash to `claimed`; the quote that the shard was last attested by has another hash.
    error ClaimsMismatch(ShardId shardId, bytes32 quoteHash, bytes32 claimed);

    /// @notice A shard was paused, at the call of `by`: no collateral is in force to assess it by.
    event ShardPaused(ShardId indexed shardId, address indexed by);

    /// @notice A paused shard is ACTIVE again: with fresh collateral, it was found fit.
    event ShardResumed(ShardId indexed shardId, address indexed by);

    /// @notice Assesses an enrolled shard by the collateral and the policy of today, without checking any signature.
    /// Anyone may call.
    /// @dev ACTIVE: it is fit. PAUSED: no collateral is in force to assess it by; a recheck with fresh collateral
    /// resumes it. EVICTED: the attestation has expired, the measurement was withdrawn, the platform is denied, not
    /// listed or revoked, or the policy refuses its TCB status or features. Reverts with {UnknownShard},
    /// {ShardNotActive} or {ClaimsMismatch}, or as the verifier reverts.
    /// @param claims Of the quote that the shard was last attested by, as in the event of that attestation.
    /// @return status ACTIVE, PAUSED or EVICTED.
    function recheck(ShardId shardId, QuoteClaims calldata claims) external returns (ShardStatus status);

    /* VIEWS */

    /// @notice The shard has left and its signer has enrolled the shard `by`, which now owns the signer's record. The
    /// events of the old shard remain.
    error ShardReplaced(ShardId shardId, ShardId by);

    /// @notice How many shards have been enrolled; their ids are 1 to this number.
    function shardCount() external view returns (uint256);

    /// @notice The shard as it is stored. Reverts with {UnknownShard}.
    function shard(ShardId shardId) external view returns (Shard memory);

    /// @notice Whether the shard may get requests now: status ACTIVE, attestation not expired, bond whole. False for an
    /// unknown shard.
    function isActive(ShardId shardId) external view returns (bool);

    /// @notice The active shards of a model among the `limit` ids after `cursor`. Start with cursor 0.
    /// @return shardIds Ascending.
    /// @return next The cursor of the next page; zero: this was the last one.
    function activeShards(ModelId modelId, ShardId cursor, uint256 limit)
        external
        view
        returns (ShardId[] memory shardIds, ShardId next);

    /// @notice The latest shard of a signer; zero: it has none.
    function shardOf(address signer) external view returns (ShardId);

    /// @notice What is stored under the signer of a shard; all zero for an unknown signer.
    function signerRecord(address signer) external view returns (SignerRecord memory);

    /// @notice The measurement in the shard's last quote. Reverts with {UnknownShard} or {ShardReplaced}, as do the two
    /// views that follow.
    function measurementOf(ShardId shardId) external view returns (bytes32);

    /// @notice The block with the shard's {ShardEnrolled} event.
    function enrolmentBlock(ShardId shardId) external view returns (uint256);

    /// @notice The block whose {ShardEnrolled}, {ShardRenewed} or {ShardRekeyed} event has the shard's current keys,
    /// endpoint and quote.
    function attestationBlock(ShardId shardId) external view returns (uint256);

    /* VIEWS OF THE ESCROW */

    /// @notice What a request needs to know of a recipient. All zero for an unknown shard.
    function recipientStatus(ShardId shardId) external view returns (ModelId modelId, bool isEntry, bool active);

    /// @notice What a settlement needs to know of a shard. All zero for an unknown shard.
    function stage(ShardId shardId) external view returns (Stage memory);

    /// @notice The stages of a path as packed words: one word with the terms of the first shard's model, then four
    /// words per shard. {ShardSlots} unpacks them.
    /// @dev Returning storage words as they are costs a tenth of encoding and decoding structs.
    function packedPath(ShardId[] calldata shardIds) external view returns (bytes32[] memory words);

    /// @notice Since when shards are paused, and which platforms they are on. Zero for unknown shards and for those
    /// whose signer has enrolled another.
    function pausesAndPlatforms(ShardId[] calldata shardIds) external view returns (PauseAndPlatform[] memory);
}
