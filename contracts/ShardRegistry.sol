// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IQuoteVerifier} from "./interfaces/IQuoteVerifier.sol";
import {IShardRegistry} from "./interfaces/IShardRegistry.sol";
import {EnclaveIdentity} from "./libraries/EnclaveIdentity.sol";
import {PolicyWord} from "./libraries/PolicyWord.sol";
import {QuoteAssessments} from "./libraries/QuoteAssessments.sol";
import {RecentBlocks} from "./libraries/RecentBlocks.sol";
import {ShardSlots} from "./libraries/ShardSlots.sol";
import {ShardBonds} from "./registry/ShardBonds.sol";
import {ShardViews} from "./registry/ShardViews.sol";
import {ModelId, ShardId} from "./types/Identifiers.sol";
import {
    Attestation,
    EnrolmentParameters,
    EvictionReason,
    Identity,
    RenewalParameters,
    Shard,
    ShardStatus,
    SignerRecord
} from "./types/Shard.sol";
import {QuoteAssessment, QuoteClaims, TcbStatus, VerifiedQuote} from "./types/VerifiedQuote.sol";

/// @dev What a recheck finds.
enum Fitness {
    UNKNOWN, // there is nothing to judge by
    FIT,
    UNFIT
}

/// @title ShardRegistry
/// @notice Who serves which layers of which model in which attested enclave.
/// @dev Models are in ModelRegistry, bonds in ShardBonds, what others read in ShardViews; here a shard lives.
contract ShardRegistry is ShardViews, EIP712, ReentrancyGuardTransient {
    using PolicyWord for uint256;

    /// @notice Bytes of the longest endpoint, `host:port`.
    uint256 public constant MAX_ENDPOINT_BYTES = 255;

    IQuoteVerifier public immutable VERIFIER;

    /// @inheritdoc IShardRegistry
    uint32 public immutable ATTESTATION_PERIOD;

    /// @param authority The AccessManager which knows who may call the restricted functions.
    /// @param token Bonds are posted in it.
    /// @param verifier Judges quotes; for good.
    /// @param bond Token wei per shard.
    /// @param attestationPeriod Seconds which one quote keeps a shard attested.
    /// @param unbondingPeriod Seconds between a shard's leaving and the release of its bond; must exceed the escrow's
    /// longest window.
    constructor(
        address authority,
        IERC20 token,
        IQuoteVerifier verifier,
        uint80 bond,
        uint32 attestationPeriod,
        uint32 unbondingPeriod
    ) AccessManaged(authority) ShardBonds(token, bond, unbondingPeriod) EIP712("TeeTee Registry", "1") {
        if (attestationPeriod == 0) revert NoAttestationPeriod();
        VERIFIER = verifier;
        ATTESTATION_PERIOD = attestationPeriod;
    }

    /* ENROLMENT */

    /// @inheritdoc IShardRegistry
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
        uint32 measurementIndex = _attest(attestation, parameters.modelId, quote, pckId);
        // Effect:
        shardId = ShardId.wrap(++_shardCount);
        _store(shardId, parameters, attestation, measurementIndex);
        _settlePayout(msg.sender, parameters.payout);
        emit ShardEnrolled({
            shardId: shardId,
            modelId: parameters.modelId,
            host: msg.sender,
            firstLayer: parameters.firstLayer,
            endLayer: parameters.endLayer,
            isEntry: parameters.isEntry,
            attestation: attestation
        });
        // Interaction:
        _takeBond();
    }

    /// @inheritdoc IShardRegistry
    function renew(RenewalParameters calldata parameters, bytes calldata quote, bytes32 pckId) external nonReentrant {
        // Check:
        ShardId shardId = parameters.shardId;
        Shard storage renewed = _ofCaller(shardId);
        SignerRecord storage record = _signers[renewed.signer];
        // A signer may have gone on to another shard, which then owns its record.
        if (renewed.status == ShardStatus.RETIRED || record.shardId != shardId) {
            revert ShardNotRenewable(shardId, renewed.status);
        }
        _checkEndpoint(parameters.endpoint);
        Attestation memory attestation = _renewalAttestation(renewed, parameters);
        uint32 measurementIndex = _attest(attestation, renewed.modelId, quote, pckId);
        // Effect:
        renewed.status = ShardStatus.ACTIVE;
        renewed.attestedUntil = attestation.attestedUntil;
        renewed.quoteHash = attestation.quoteHash;
        record.attestedAtBlock = uint40(block.number);
        record.leftAt = 0;
        record.measurementIndex = measurementIndex;
        record.platformTag = bytes8(attestation.platformId);
        emit ShardRenewed(shardId, renewed.modelId, msg.sender, attestation);
    }

    /* LEAVING */

    /// @inheritdoc IShardRegistry
    function retire(ShardId shardId) external {
        Shard storage retired = _ofCaller(shardId);
        if (!_isEnlisted(retired.status)) revert ShardNotActive(shardId, retired.status);
        retired.status = ShardStatus.RETIRED;
        _signers[retired.signer].leftAt = uint40(block.timestamp);
        emit ShardRetired(shardId, msg.sender);
    }

    /// @inheritdoc IShardRegistry
    function evict(ShardId shardId) external {
        Shard storage evicted = _enlisted(shardId);
        EvictionReason reason = EvictionReason.ATTESTATION_EXPIRED;
        if (block.timestamp <= evicted.attestedUntil) {
            if (isMeasurementAllowed(evicted.modelId, measurementOf(shardId))) revert ShardStillFit(shardId);
            reason = EvictionReason.MEASUREMENT_WITHDRAWN;
        }
        _evict(shardId, evicted, reason);
    }

    /* RECHECKING */

    /// @inheritdoc IShardRegistry
    function recheck(ShardId shardId, QuoteClaims calldata claims) external returns (ShardStatus status) {
        Shard storage rechecked = _shards[shardId];
        bytes32 standing = ShardSlots.standingOf(rechecked);
        status = ShardSlots.statusIn(standing);
        if (status == ShardStatus.NONE) revert UnknownShard(shardId);
        if (!_isEnlisted(status)) revert ShardNotActive(shardId, status);
        bytes32 claimed = QuoteAssessments.hash(claims);
        if (claimed != rechecked.quoteHash) revert ClaimsMismatch(shardId, rechecked.quoteHash, claimed);
        (Fitness fitness, EvictionReason reason) = _fitness(standing, claims);
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

    /// @dev What no collateral can mend first, then what the verifier knows of today.
    function _fitness(bytes32 standing, QuoteClaims calldata claims)
        private
        view
        returns (Fitness fitness, EvictionReason reason)
    {
        if (block.timestamp > ShardSlots.attestedUntilIn(standing)) {
            return (Fitness.UNFIT, EvictionReason.ATTESTATION_EXPIRED);
        }
        ModelId modelId = ShardSlots.modelIdOf(standing);
        uint256 policy = _policyWord(modelId);
        if (!isMeasurementAllowed(modelId, claims.measurement)) {
            return (Fitness.UNFIT, EvictionReason.MEASUREMENT_WITHDRAWN);
        }
        if (!policy.allows(bytes8(claims.td << 128), bytes8(claims.td << 192))) {
            return (Fitness.UNFIT, EvictionReason.FEATURES_REFUSED);
        }
        QuoteAssessment memory assessed = QuoteAssessments.assess(VERIFIER, claims, policy.tcbPolicy());
        if (!_isPlatformWanted(policy, modelId, assessed.platformId)) {
            return (Fitness.UNFIT, EvictionReason.PLATFORM_UNWANTED);
        }
        if (assessed.isRevoked) return (Fitness.UNFIT, EvictionReason.CERTIFICATE_REVOKED);
        if (policy.accepts(assessed.tcbStatus)) return (Fitness.FIT, reason);
        // a status that only a stricter set of collateral gives must not put anybody out
        bool isSure = assessed.tcbStatus != TcbStatus.UNCHECKED && assessed.isConclusive;
        return (isSure ? Fitness.UNFIT : Fitness.UNKNOWN, EvictionReason.TCB_STATUS_REFUSED);
    }

    function _evict(ShardId shardId, Shard storage evicted, EvictionReason reason) private {
        evicted.status = ShardStatus.EVICTED;
        _signers[evicted.signer].leftAt = uint40(block.timestamp);
        emit ShardEvicted(shardId, msg.sender, reason);
    }

    /// @dev A shard which hasn't left.
    function _enlisted(ShardId shardId) private view returns (Shard storage enlisted) {
        enlisted = _enrolled(shardId);
        if (!_isEnlisted(enlisted.status)) revert ShardNotActive(shardId, enlisted.status);
    }

    /// @inheritdoc IShardRegistry
    function enrolmentDigest(bytes32 identityDigest_, string calldata endpoint, address payout, uint256 blockNumber)
        external
        view
        returns (bytes32)
    {
        return _enrolmentDigest(identityDigest_, endpoint, payout, blockNumber);
    }

    /* CHECKS OF A NEW SHARD */

    function _checkEnrollable(EnrolmentParameters calldata parameters) private view {
        _checkEndpoint(parameters.endpoint);
        if (parameters.isEntry && parameters.firstLayer != 0) revert EntryMustStartAtLayerZero(parameters.firstLayer);
        ShardId present = _signers[parameters.signer].shardId;
        if (ShardId.unwrap(present) == 0) return;
        Shard storage last = _shards[present];
        if (_isEnlisted(last.status) || last.bond != 0) {
            revert SignerAlreadyEnrolled(parameters.signer, present);
        }
    }

    function _checkEndpoint(string calldata endpoint) private pure {
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > MAX_ENDPOINT_BYTES) revert EndpointLengthInvalid(length, MAX_ENDPOINT_BYTES);
    }

    /// @dev The enclave's own word, so that nobody enrols another's enclave under his own bond.
    function _checkEnrolmentSigned(
        EnrolmentParameters calldata parameters,
        bytes32 identityDigest_,
        bytes calldata signature
    ) private view {
        bytes32 digest = _enrolmentDigest(
            identityDigest_, parameters.endpoint, parameters.payout, parameters.blockNumber
        );
        (address recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (recovered == address(0) || recovered != parameters.signer) {
            revert EnrolmentNotSigned(parameters.signer, recovered);
        }
    }

    function _enrolmentDigest(bytes32 identityDigest_, string calldata endpoint, address payout, uint256 blockNumber)
        private
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(
            EnclaveIdentity.enrolmentHash({
                identityDigest: identityDigest_, endpoint: endpoint, payout: payout, blockNumber: blockNumber
            })
        );
    }

    /* ATTESTATION */

    /// @dev What is to be proven about a new shard. Checks that the model has these layers.
    function _enrolmentAttestation(EnrolmentParameters calldata parameters)
        private
        view
        returns (Attestation memory attestation)
    {
        attestation.signer = parameters.signer;
        attestation.kem = parameters.kem;
        attestation.tls = parameters.tls;
        attestation.endpoint = parameters.endpoint;
        attestation.blockNumber = parameters.blockNumber;
        attestation.sliceDigest =
            sliceDigest(parameters.modelId, parameters.firstLayer, parameters.endLayer, parameters.isEntry);
        attestation.identityDigest = EnclaveIdentity.digest(
            Identity({
                host: msg.sender,
                modelId: parameters.modelId,
                firstLayer: parameters.firstLayer,
                endLayer: parameters.endLayer,
                isEntry: parameters.isEntry,
                sliceDigest: attestation.sliceDigest,
                signer: parameters.signer,
                kem: parameters.kem,
                tls: parameters.tls
            }),
            address(this)
        );
    }

    /// @dev What is to be proven about an enrolled shard. Checks that the keys are the enrolled ones.
    function _renewalAttestation(Shard storage renewed, RenewalParameters calldata parameters)
        private
        view
        returns (Attestation memory attestation)
    {
        Identity memory identity = Identity({
            host: renewed.host,
            modelId: renewed.modelId,
            firstLayer: renewed.firstLayer,
            endLayer: renewed.endLayer,
            isEntry: renewed.isEntry,
            sliceDigest: sliceDigest(renewed.modelId, renewed.firstLayer, renewed.endLayer, renewed.isEntry),
            signer: renewed.signer,
            kem: parameters.kem,
            tls: parameters.tls
        });
        attestation.signer = identity.signer;
        attestation.kem = identity.kem;
        attestation.tls = identity.tls;
        attestation.endpoint = parameters.endpoint;
        attestation.blockNumber = parameters.blockNumber;
        attestation.sliceDigest = identity.sliceDigest;
        attestation.identityDigest = EnclaveIdentity.digest(identity, address(this));
        if (attestation.identityDigest != renewed.identityDigest) {
            revert IdentityMismatch(parameters.shardId, renewed.identityDigest, attestation.identityDigest);
        }
    }

    /// @dev Has the quote verified and compares what it says with what it must say; fills in the rest of
    /// `attestation`.
    function _attest(Attestation memory attestation, ModelId modelId, bytes calldata quote, bytes32 pckId)
        private
        returns (uint32 measurementIndex)
    {
        attestation.blockHash = RecentBlocks.hashOf(attestation.blockNumber);
        if (attestation.blockHash == bytes32(0)) revert BlockHashUnknown(attestation.blockNumber, block.number);
        uint256 policy = _policyWord(modelId);
        VerifiedQuote memory verified = QuoteAssessments.verify(VERIFIER, quote, pckId, policy.tcbPolicy());
        bytes32 expected =
            EnclaveIdentity.reportData(attestation.identityDigest, attestation.blockNumber, attestation.blockHash);
        if (verified.reportDataLow != expected) revert ReportDataMismatch(expected, verified.reportDataLow);
        if (verified.reportDataHigh != bytes32(0)) revert ReportDataUpperHalfNotZero(verified.reportDataHigh);
        _checkPlatform(policy, modelId, verified);
        measurementIndex = _allowedMeasurementIndex(modelId, verified.measurement);
        attestation.attestedUntil = _attestedUntil(verified.certifiedUntil);
        attestation.quoteHash = verified.quoteHash;
        attestation.measurement = verified.measurement;
        attestation.pckId = pckId;
        attestation.platformId = verified.platformId;
        attestation.tcbStatus = verified.tcbStatus;
        attestation.evaluationNumber = verified.evaluationNumber;
        attestation.collateralUntil = verified.validUntil;
    }

    function _checkPlatform(uint256 policy, ModelId modelId, VerifiedQuote memory verified) private view {
        if (!_isPlatformWanted(policy, modelId, verified.platformId)) revert PlatformIsDenied(verified.platformId);
        if (!policy.accepts(verified.tcbStatus)) {
            revert TcbStatusRefused(verified.platformId, verified.tcbStatus);
        }
        if (!policy.allows(verified.tdAttributes, verified.xfam)) {
            revert TdFeaturesRefused(verified.tdAttributes, verified.xfam);
        }
    }

    /// @dev Collateral that ends earlier only pauses a shard, or its end would put honest ones out.
    function _attestedUntil(uint40 certifiedUntil) private view returns (uint32) {
        uint256 end = block.timestamp + ATTESTATION_PERIOD;
        if (certifiedUntil != 0) {
            if (certifiedUntil < block.timestamp) revert PlatformNoLongerCertified(certifiedUntil);
            if (certifiedUntil < end) end = certifiedUntil;
        }
        return uint32(end); // until the year 2106
    }

    /* STORAGE */

    function _store(
        ShardId shardId,
        EnrolmentParameters calldata parameters,
        Attestation memory attestation,
        uint32 measurementIndex
    ) private {
        uint256 standing = ShardSlots.standing({
            host: msg.sender,
            attestedUntil: attestation.attestedUntil,
            modelId: parameters.modelId,
            firstLayer: parameters.firstLayer,
            isEntry: parameters.isEntry
        });
        uint256 ownership =
            ShardSlots.ownership({signer: parameters.signer, bond: BOND, endLayer: parameters.endLayer});
        ShardSlots.write({
            shard: _shards[shardId],
            standingWord: standing,
            ownershipWord: ownership,
            identityDigest: attestation.identityDigest,
            quoteHash: attestation.quoteHash
        });
        ShardSlots.write({
            record: _signers[parameters.signer],
            shardId: shardId,
            measurementIndex: measurementIndex,
            platformTag: bytes8(attestation.platformId)
        });
    }

    function _ofCaller(ShardId shardId) private view returns (Shard storage own) {
        own = _enrolled(shardId);
        if (own.host != msg.sender) revert NotTheHost(shardId, own.host, msg.sender);
    }
}
