// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {IShardRegistry} from "../interfaces/IShardRegistry.sol";
import {ClaimsHash} from "../libraries/ClaimsHash.sol";
import {EnclaveIdentity} from "../libraries/EnclaveIdentity.sol";
import {PolicyWord} from "../libraries/PolicyWord.sol";
import {RecentBlocks} from "../libraries/RecentBlocks.sol";
import {ShardSlots} from "../libraries/ShardSlots.sol";
import {VerifierCalls} from "../libraries/VerifierCalls.sol";
import {ModelId, ShardId} from "../types/Identifiers.sol";
import {
    Attestation,
    EnrolmentParameters,
    EvictionReason,
    Fitness,
    Identity,
    RekeyParameters,
    RenewalParameters,
    Shard
} from "../types/Shard.sol";
import {QuoteAssessment, QuoteClaims, TcbStatus, VerifiedQuote} from "../types/VerifiedQuote.sol";
import {ShardViews} from "./ShardViews.sol";

/// @title ShardAttestation
/// @notice Decides whether an enclave may serve as a shard: at enrolment and renewal by its quote, at a recheck by the
/// claims of that quote.
/// @dev The verifier says what a quote states and how good its platform is. This contract compares that with what the
/// quote must state and with what the model's policy accepts. Three digests connect the two:
/// - `sliceDigest`, of the weights that a shard of these layers must have loaded, from the published digests;
/// - `identityDigest`, of that and of host, layer range, keys, registry and chain;
/// - the report data in the quote, of that and of a recent block.
///
/// An enclave of an allowed image puts into its report data only what it has loaded and holds itself. That is what the
/// image is reviewed for; the registry cannot check it.
abstract contract ShardAttestation is ShardViews, EIP712 {
    using PolicyWord for uint256;

    /// @notice Maximum size of an endpoint, `host:port`, in bytes.
    uint256 public constant MAX_ENDPOINT_BYTES = 255;

    /// @dev One value in each byte of a word: 0x01; the top bit; 0x21, the lowest printable character but for a space.
    uint256 private constant _ONES = type(uint256).max / 0xff;
    uint256 private constant _TOP_BITS = _ONES << 7;
    uint256 private constant _LOWEST = _ONES * 0x21;

    /// @notice The contract that verifies quotes. It can never be replaced.
    IQuoteVerifier public immutable VERIFIER;

    /// @inheritdoc IShardRegistry
    uint32 public immutable ATTESTATION_PERIOD;

    /// @param verifier Decides which quotes are genuine; every model's policy relies on that.
    /// @param attestationPeriod Seconds; see {IShardRegistry}.
    constructor(IQuoteVerifier verifier, uint32 attestationPeriod) {
        if (attestationPeriod == 0) revert NoAttestationPeriod();
        VERIFIER = verifier;
        ATTESTATION_PERIOD = attestationPeriod;
    }

    /* ENROLMENT */

    /// @dev Checks that need no quote: the endpoint's size, the entry's first layer, a signer without an enrolled
    /// shard.
    function _checkEnrollable(EnrolmentParameters calldata parameters) internal view {
        _checkEndpoint(parameters.endpoint);
        if (parameters.isEntry && parameters.firstLayer != 0) revert EntryMustStartAtLayerZero(parameters.firstLayer);
        _checkSignerFree(parameters.signer);
    }

    /// @dev The bond's release is counted from the signer's record, which a new shard would overwrite.
    function _checkSignerFree(address signer) internal view {
        ShardId latest = _signers[signer].shardId;
        if (ShardId.unwrap(latest) == 0) return;
        Shard storage last = _shards[latest];
        if (_isEnrolled(last.status) || last.bond != 0) revert SignerAlreadyEnrolled(signer, latest);
    }

    /// @dev The endpoint is only in events, so its size costs the caller alone; the bounds protect readers. One that is
    /// no text would make the event unreadable, and one with control characters would write on a reader's terminal.
    /// Whether it is `host:port` is for readers to check, who have to connect.
    function _checkEndpoint(string calldata endpoint) internal pure {
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > MAX_ENDPOINT_BYTES) revert EndpointLengthInvalid(length, MAX_ENDPOINT_BYTES);
        for (uint256 offset = 0; offset < length; offset += 32) {
            uint256 word;
            assembly ("memory-safe") {
                word := calldataload(add(endpoint.offset, offset))
            }
            // all offsets are below 256, and the arithmetic on bytes is explained below
            unchecked {
                // bytes behind the end count as 0x21
                uint256 left = length - offset;
                if (left < 32) word = (word >> (256 - 8 * left) << (256 - 8 * left)) | (_LOWEST >> (8 * left));
                // A byte above 0x7e has the top bit in the word or in the sum, and one below 0x21 lacks it in the
                // difference. Where the word has no top bits, no byte of the sum carries over; where all bytes are
                // made 0x80 or more, none of the difference borrows.
                uint256 above = (word | (word + _ONES)) & _TOP_BITS;
                uint256 below = ~((word | _TOP_BITS) - _LOWEST) & _TOP_BITS;
                if (above | below != 0) revert EndpointNotPrintable(offset);
            }
        }
    }

    /// @dev The enclave's signature over its enrolment. Without it, anyone could enrol another host's enclave first,
    /// under an endpoint and a payout address of their own.
    function _checkEnrolmentSigned(
        EnrolmentParameters calldata parameters,
        bytes32 identityDigest_,
        bytes calldata signature
    ) internal view {
        bytes32 digest = _enrolmentDigest(
            identityDigest_, parameters.endpoint, parameters.payout, parameters.blockNumber
        );
        (address recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (recovered == address(0) || recovered != parameters.signer) {
            revert EnrolmentNotSigned(parameters.signer, recovered);
        }
    }

    /// @dev Binds endpoint and payout, which the quote does not.
    function _enrolmentDigest(bytes32 identityDigest_, string calldata endpoint, address payout, uint256 blockNumber)
        internal
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(
            EnclaveIdentity.enrolmentHash({
                identityDigest: identityDigest_, endpoint: endpoint, payout: payout, blockNumber: blockNumber
            })
        );
    }

    /* WHAT A QUOTE MUST PROVE */

    /// @dev The attestation of a new shard, before its quote is verified. Reverts unless the model has these layers.
    function _enrolmentAttestation(EnrolmentParameters calldata parameters)
        internal
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

    /// @dev The attestation of an enrolled shard, before its fresh quote is verified. Reverts unless the keys are the
    /// enrolled ones: `kem` and `tls` are not stored, so they are given again and compared through the digest.
    function _renewalAttestation(Shard storage renewed, RenewalParameters calldata parameters)
        internal
        view
        returns (Attestation memory attestation)
    {
        attestation = _attestationOf(renewed, renewed.signer, parameters.kem, parameters.tls);
        attestation.endpoint = parameters.endpoint;
        attestation.blockNumber = parameters.blockNumber;
        if (attestation.identityDigest != renewed.identityDigest) {
            revert IdentityMismatch(parameters.shardId, renewed.identityDigest, attestation.identityDigest);
        }
    }

    /// @dev The attestation of an enrolled shard under new keys, before its fresh quote is verified.
    function _rekeyAttestation(Shard storage rekeyed, RekeyParameters calldata parameters)
        internal
        view
        returns (Attestation memory attestation)
    {
        attestation = _attestationOf(rekeyed, parameters.signer, parameters.kem, parameters.tls);
        attestation.endpoint = parameters.endpoint;
        attestation.blockNumber = parameters.blockNumber;
    }

    /// @dev Keys, slice and identity of an enrolled shard with these keys.
    function _attestationOf(Shard storage existing, address signer, bytes32 kem, bytes32 tls)
        private
        view
        returns (Attestation memory attestation)
    {
        Identity memory identity = Identity({
            host: existing.host,
            modelId: existing.modelId,
            firstLayer: existing.firstLayer,
            endLayer: existing.endLayer,
            isEntry: existing.isEntry,
            sliceDigest: sliceDigest(existing.modelId, existing.firstLayer, existing.endLayer, existing.isEntry),
            signer: signer,
            kem: kem,
            tls: tls
        });
        attestation.signer = signer;
        attestation.kem = kem;
        attestation.tls = tls;
        attestation.sliceDigest = identity.sliceDigest;
        attestation.identityDigest = EnclaveIdentity.digest(identity, address(this));
    }

    /* QUOTE */

    /// @dev The one place where a quote is believed. Has it verified, compares it with what it must prove, and fills in
    /// the rest of `attestation`. The block hash in the report data shows that the quote is at most 8191 blocks old.
    /// @return measurementIndex Position of the measurement among the model's; the signer's record keeps it.
    function _verifyQuote(Attestation memory attestation, ModelId modelId, bytes calldata quote, bytes32 pckId)
        internal
        returns (uint32 measurementIndex)
    {
        attestation.blockHash = RecentBlocks.hashOf(attestation.blockNumber);
        if (attestation.blockHash == bytes32(0)) revert BlockHashUnknown(attestation.blockNumber, block.number);
        uint256 policy = _policyWord(modelId);
        VerifiedQuote memory verified = VerifierCalls.verifyQuote(VERIFIER, quote, pckId, policy.tcbPolicy());
        bytes32 expected =
            EnclaveIdentity.reportData(attestation.identityDigest, attestation.blockNumber, attestation.blockHash);
        if (verified.reportDataLow != expected) revert ReportDataMismatch(expected, verified.reportDataLow);
        if (verified.reportDataHigh != bytes32(0)) revert ReportDataUpperHalfNotZero(verified.reportDataHigh);
        QuoteClaims memory claims = verified.claims;
        _checkPlatform(policy, modelId, claims, verified.tcbStatus);
        measurementIndex = _allowedMeasurementIndex(modelId, claims.measurement);
        attestation.attestedUntil = _attestedUntil(uint40(uint256(claims.qeAndEnd)));
        attestation.quoteHash = ClaimsHash.hash(claims);
        attestation.claims = claims;
        attestation.pckId = pckId;
        attestation.tcbStatus = verified.tcbStatus;
        attestation.evaluationNumber = verified.evaluationNumber;
        attestation.collateralUntil = verified.validUntil;
    }

    /// @dev What the policy demands of the platform. {_assessFitness} demands the same of an enrolled shard.
    function _checkPlatform(uint256 policy, ModelId modelId, QuoteClaims memory claims, TcbStatus status)
        private
        view
    {
        bytes32 platformId = claims.platformId;
        if (!_isPlatformAdmitted(policy, modelId, platformId)) revert PlatformIsDenied(platformId);
        if (!policy.acceptsStatus(status)) revert TcbStatusRefused(platformId, status);
        (bytes8 tdAttributes, bytes8 xfam) = _features(claims.td);
        if (!policy.allowsFeatures(tdAttributes, xfam)) revert TdFeaturesRefused(tdAttributes, xfam);
    }

    /// @dev TD attributes and XFAM, in the `td` of claims.
    function _features(bytes32 td) private pure returns (bytes8 tdAttributes, bytes8 xfam) {
        return (bytes8(td << 128), bytes8(td << 192));
    }

    /// @dev One period from now, or the end of the platform's certificates, whichever is earlier. The end of the
    /// collateral does not count: it only pauses a shard, and ending the attestation then would evict honest ones every
    /// month.
    function _attestedUntil(uint40 certifiedUntil) private view returns (uint32) {
        uint256 end = block.timestamp + ATTESTATION_PERIOD;
        if (certifiedUntil != 0) {
            if (certifiedUntil < block.timestamp) revert PlatformNoLongerCertified(certifiedUntil);
            if (certifiedUntil < end) end = certifiedUntil;
        }
        return uint32(end); // until the year 2106
    }

    /* RECHECK */

    /// @dev Assesses an enrolled shard: first what no fresh collateral can change, then what the verifier says today.
    /// @param slot0 Of the shard; see {ShardSlots}.
    /// @param claims Of the quote that the shard was last attested by, which the caller has checked.
    /// @return fitness What was found.
    /// @return reason Meaningful only if the shard is UNFIT.
    function _assessFitness(bytes32 slot0, QuoteClaims calldata claims)
        internal
        view
        returns (Fitness fitness, EvictionReason reason)
    {
        if (block.timestamp > ShardSlots.attestedUntilIn(slot0)) {
            return (Fitness.UNFIT, EvictionReason.ATTESTATION_EXPIRED);
        }
        ModelId modelId = ShardSlots.modelIdIn(slot0);
        uint256 policy = _policyWord(modelId);
        if (!isMeasurementAllowed(modelId, claims.measurement)) {
            return (Fitness.UNFIT, EvictionReason.MEASUREMENT_WITHDRAWN);
        }
        (bytes8 tdAttributes, bytes8 xfam) = _features(claims.td);
        if (!policy.allowsFeatures(tdAttributes, xfam)) return (Fitness.UNFIT, EvictionReason.FEATURES_REFUSED);
        QuoteAssessment memory assessment = VerifierCalls.assessQuote(VERIFIER, claims, policy.tcbPolicy());
        if (!_isPlatformAdmitted(policy, modelId, assessment.platformId)) {
            return (Fitness.UNFIT, EvictionReason.PLATFORM_UNWANTED);
        }
        if (assessment.isRevoked) return (Fitness.UNFIT, EvictionReason.CERTIFICATE_REVOKED);
        if (policy.acceptsStatus(assessment.tcbStatus)) return (Fitness.FIT, reason);
        // A bad status from a set stricter than the policy's minimum must not evict: anyone can upload that set.
        bool isSure = assessment.tcbStatus != TcbStatus.UNCHECKED && assessment.isConclusive;
        return (isSure ? Fitness.UNFIT : Fitness.UNKNOWN, EvictionReason.TCB_STATUS_REFUSED);
    }
}
