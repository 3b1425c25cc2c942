// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IQuoteVerifier} from "./interfaces/IQuoteVerifier.sol";
import {IShardRegistry} from "./interfaces/IShardRegistry.sol";
import {ClaimsHash} from "./libraries/ClaimsHash.sol";
import {ShardSlots} from "./libraries/ShardSlots.sol";
import {ShardAttestation} from "./registry/ShardAttestation.sol";
import {ShardBonds} from "./registry/ShardBonds.sol";
import {MAX_SHARD_ID, ShardId} from "./types/Identifiers.sol";
import {
    Attestation,
    EnrolmentParameters,
    EvictionReason,
    Fitness,
    RekeyParameters,
    RenewalParameters,
    Shard,
    ShardStatus,
    SignerRecord
} from "./types/Shard.sol";
import {QuoteClaims} from "./types/VerifiedQuote.sol";

/// @title ShardRegistry
/// @notice Who serves which layers of which model in which attested enclave.
/// @dev The functions of a shard's life, in order. The rest is in contracts/registry: ModelRegistry has the models and
/// what roles decide about them, ShardBonds the bonds and payout addresses, ShardViews what others read, and
/// ShardAttestation decides whether an enclave may serve.
///
/// The token balance of this contract is the sum of all bonds. Functions that call the verifier and change state are
/// `nonReentrant`: a verifier may have code of third parties behind it.
contract ShardRegistry is ShardAttestation, ReentrancyGuardTransient {
    /// @notice Deploys a registry without models, shards and escrow.
    /// @param authority The AccessManager that decides who may call the restricted functions.
    /// @param token What bonds are posted in.
    /// @param verifier Verifies quotes; it can never be replaced.
    /// @param bond Token wei per shard.
    /// @param attestationPeriod Seconds that one quote keeps a shard attested.
    /// @param unbondingPeriod Seconds between a shard's leaving and the release of its bond. Must exceed the escrow's
    /// longest window, or a bond could leave before a penalty on it is due.
    /// @dev Sets the EIP-712 domain of enrolments; `registry_domain` in teetee/protocol/typed_data.py.
    constructor(
        address authority,
        IERC20 token,
        IQuoteVerifier verifier,
        uint80 bond,
        uint32 attestationPeriod,
        uint32 unbondingPeriod
    )
        AccessManaged(authority)
        ShardBonds(token, bond, unbondingPeriod)
        ShardAttestation(verifier, attestationPeriod)
        EIP712("TeeTee Registry", "1")
    {}

    /* ENROLMENT */

    /// @inheritdoc IShardRegistry
    /// @dev The cheap checks come first. The bond is collected last: shard and payout are stored by then, so a token
    /// that calls back finds the enrolment complete.
    function enrol(
        EnrolmentParameters calldata parameters,
        bytes calldata quote,
        bytes32 pckId,
        bytes calldata signerSignature
    ) external nonReentrant returns (ShardId shardId) {
        // Check:
        _checkEnrollable(parameters);
        Attestation memory attestation = _enrolmentAttestation(parameters);
        _checkEnrolmentSigned(parameters, attestation.identityDigest, signerSignature);
        uint32 measurementIndex = _verifyQuote(attestation, parameters.modelId, quote, pckId);
        // Effect:
        shardId = ShardId.wrap(++_shardCount);
        if (ShardId.unwrap(shardId) > MAX_SHARD_ID) revert TooManyShards(MAX_SHARD_ID);
        _storeShard(shardId, parameters, attestation, measurementIndex);
        _fixPayout(msg.sender, parameters.payout);
        _announce(shardId, parameters, attestation, quote);
        // Interaction:
        _collectBond();
    }

    /// @inheritdoc IShardRegistry
    function enrolmentDigest(bytes32 identityDigest_, string calldata endpoint, address payout, uint256 blockNumber)
        external
        view
        returns (bytes32)
    {
        return _enrolmentDigest(identityDigest_, endpoint, payout, blockNumber);
    }

    /// @dev Writes the shard and its signer's record, each slot once. The record of an earlier shard of the signer is
    /// overwritten; {_checkEnrollable} has ensured that its bond is gone.
    function _storeShard(
        ShardId shardId,
        EnrolmentParameters calldata parameters,
        Attestation memory attestation,
        uint32 measurementIndex
    ) private {
        uint256 slot0 = ShardSlots.packSlot0({
            host: msg.sender,
            attestedUntil: attestation.attestedUntil,
            modelId: parameters.modelId,
            firstLayer: parameters.firstLayer,
            isEntry: parameters.isEntry
        });
        uint256 slot1 = ShardSlots.packSlot1({signer: parameters.signer, bond: BOND, endLayer: parameters.endLayer});
        ShardSlots.writeShard({
            shard: _shards[shardId],
            slot0: slot0,
            slot1: slot1,
            identityDigest: attestation.identityDigest,
            quoteHash: attestation.quoteHash
        });
        ShardSlots.writeSignerRecord({
            record: _signers[parameters.signer],
            shardId: shardId,
            measurementIndex: measurementIndex,
            platformTag: bytes8(attestation.claims.platformId)
        });
    }

    /// @dev The quote comes from calldata, so that a host that calls through a contract of its own hides nothing.
    function _announce(
        ShardId shardId,
        EnrolmentParameters calldata parameters,
        Attestation memory attestation,
        bytes calldata quote
    ) private {
        emit ShardEnrolled({
            shardId: shardId,
            modelId: parameters.modelId,
            host: msg.sender,
            firstLayer: parameters.firstLayer,
            endLayer: parameters.endLayer,
            isEntry: parameters.isEntry,
            attestation: attestation,
            quote: quote
        });
    }

    /* RENEWAL */

    /// @inheritdoc IShardRegistry
    /// @dev Layers, keys and host stay those of the enrolment; endpoint, quote, measurement and platform may change.
    function renew(RenewalParameters calldata parameters, bytes calldata quote, bytes32 pckId) external nonReentrant {
        // Check:
        ShardId shardId = parameters.shardId;
        (Shard storage renewed, SignerRecord storage record) = _requireRenewable(shardId);
        _checkEndpoint(parameters.endpoint);
        Attestation memory attestation = _renewalAttestation(renewed, parameters);
        uint32 measurementIndex = _verifyQuote(attestation, renewed.modelId, quote, pckId);
        // Effect:
        _storeQuote(renewed, attestation);
        record.attestedAtBlock = uint40(block.number);
        record.leftAt = 0;
        record.measurementIndex = measurementIndex;
        record.platformTag = bytes8(attestation.claims.platformId);
        emit ShardRenewed({
            shardId: shardId, modelId: renewed.modelId, host: msg.sender, attestation: attestation, quote: quote
        });
    }

    /// @dev Common to {renew} and {rekey}.
    function _storeQuote(Shard storage renewed, Attestation memory attestation) private {
        renewed.status = ShardStatus.ACTIVE;
        renewed.attestedUntil = attestation.attestedUntil;
        renewed.quoteHash = attestation.quoteHash;
    }

    /* REKEYING */

    /// @inheritdoc IShardRegistry
    /// @dev The old signer's record moves to the new signer: with it, the block of the enrolment is kept.
    function rekey(RekeyParameters calldata parameters, bytes calldata quote, bytes32 pckId) external nonReentrant {
        // Check:
        ShardId shardId = parameters.shardId;
        (Shard storage rekeyed, SignerRecord storage record) = _requireRenewable(shardId);
        _checkEndpoint(parameters.endpoint);
        if (parameters.blockNumber <= record.attestedAtBlock) {
            revert RekeyQuoteNotNewer(parameters.blockNumber, record.attestedAtBlock);
        }
        _checkSignerFree(parameters.signer);
        Attestation memory attestation = _rekeyAttestation(rekeyed, parameters);
        uint32 measurementIndex = _verifyQuote(attestation, rekeyed.modelId, quote, pckId);
        // Effect:
        uint40 enrolledAtBlock = record.enrolledAtBlock;
        delete _signers[rekeyed.signer];
        _signers[parameters.signer] = SignerRecord({
            shardId: shardId,
            enrolledAtBlock: enrolledAtBlock,
            attestedAtBlock: uint40(block.number),
            leftAt: 0,
            measurementIndex: measurementIndex,
            platformTag: bytes8(attestation.claims.platformId)
        });
        _storeQuote(rekeyed, attestation);
        rekeyed.signer = parameters.signer;
        rekeyed.identityDigest = attestation.identityDigest;
        emit ShardRekeyed({
            shardId: shardId, modelId: rekeyed.modelId, host: msg.sender, attestation: attestation, quote: quote
        });
    }

    /* RETIREMENT AND EVICTION */

    /// @inheritdoc IShardRegistry
    /// @dev The bond's release is counted from now.
    function retire(ShardId shardId) external {
        Shard storage retired = _requireOwnShard(shardId);
        if (!_isEnrolled(retired.status)) revert ShardNotActive(shardId, retired.status);
        retired.status = ShardStatus.RETIRED;
        _signers[retired.signer].leftAt = uint40(block.timestamp);
        emit ShardRetired(shardId, msg.sender);
    }

    /// @inheritdoc IShardRegistry
    /// @dev Expiry is checked first: it is in the slot that is read anyway.
    function evict(ShardId shardId) external {
        Shard storage evicted = _requireEnrolled(shardId);
        EvictionReason reason = EvictionReason.ATTESTATION_EXPIRED;
        if (block.timestamp <= evicted.attestedUntil) {
            if (isMeasurementAllowed(evicted.modelId, measurementOf(shardId))) revert ShardStillFit(shardId);
            reason = EvictionReason.MEASUREMENT_WITHDRAWN;
        }
        _evict(shardId, evicted, reason);
    }

    /// @dev Common to {evict} and {recheck}. The bond is not touched: being unfit is no offence. Its release is counted
    /// from now.
    function _evict(ShardId shardId, Shard storage evicted, EvictionReason reason) private {
        evicted.status = ShardStatus.EVICTED;
        _signers[evicted.signer].leftAt = uint40(block.timestamp);
        emit ShardEvicted(shardId, msg.sender, reason);
    }

    /* RECHECK */

    /// @inheritdoc IShardRegistry
    /// @dev The claims come from the caller, so they are compared with the stored hash before anything is believed of
    /// them. Writes nothing if the status stays what it is. Not `nonReentrant`: the verifier is only read, by
    /// STATICCALL.
    function recheck(ShardId shardId, QuoteClaims calldata claims) external returns (ShardStatus status) {
        Shard storage rechecked = _shards[shardId];
        bytes32 slot0 = ShardSlots.readSlot0(rechecked);
        status = ShardSlots.statusIn(slot0);
        if (status == ShardStatus.NONE) revert UnknownShard(shardId);
        if (!_isEnrolled(status)) revert ShardNotActive(shardId, status);
        bytes32 claimed = ClaimsHash.hashGiven(claims);
        if (claimed != rechecked.quoteHash) revert ClaimsMismatch(shardId, rechecked.quoteHash, claimed);
        (Fitness fitness, EvictionReason reason) = _assessFitness(slot0, claims);
        if (fitness == Fitness.UNFIT) {
            _evict(shardId, rechecked, reason);
            return ShardStatus.EVICTED;
        }
        if (fitness == Fitness.FIT && status == ShardStatus.PAUSED) {
            (status, rechecked.status) = (ShardStatus.ACTIVE, ShardStatus.ACTIVE);
            _signers[rechecked.signer].leftAt = 0;
            emit ShardResumed(shardId, msg.sender);
        } else if (fitness == Fitness.UNKNOWN && status == ShardStatus.ACTIVE) {
            (status, rechecked.status) = (ShardStatus.PAUSED, ShardStatus.PAUSED);
            _signers[rechecked.signer].leftAt = uint40(block.timestamp);
            emit ShardPaused(shardId, msg.sender);
        }
    }

    /* LOOKUP */

    /// @dev A shard that has not left.
    function _requireEnrolled(ShardId shardId) private view returns (Shard storage enrolled) {
        enrolled = _requireShard(shardId);
        if (!_isEnrolled(enrolled.status)) revert ShardNotActive(shardId, enrolled.status);
    }

    /// @dev A shard of the caller that a fresh quote can keep or bring back. An evicted shard can be renewed, unless
    /// its signer has enrolled another, which now owns the record. It comes back with a whole bond or not at all: its
    /// bond may have been withdrawn, and a settlement does not look at bonds. One that is enrolled is renewed with what
    /// penalties have left of its bond: it gets no new requests, and those opened before can be settled.
    function _requireRenewable(ShardId shardId)
        private
        view
        returns (Shard storage renewable, SignerRecord storage record)
    {
        renewable = _requireOwnShard(shardId);
        record = _signers[renewable.signer];
        if (!_canComeBack(shardId, renewable)) revert ShardNotRenewable(shardId, renewable.status);
        if (!_isEnrolled(renewable.status) && renewable.bond < BOND) {
            revert BondNotWhole(shardId, renewable.bond, BOND);
        }
    }

    /// @dev A shard of the caller, of any status.
    function _requireOwnShard(ShardId shardId) private view returns (Shard storage own) {
        own = _requireShard(shardId);
        if (own.host != msg.sender) revert NotTheHost(shardId, own.host, msg.sender);
    }
}
