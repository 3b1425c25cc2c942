// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ModelId, RequestId, ShardId} from "../types/Identifiers.sol";
import {Authorization, DeclineReason, Permit, Request, RequestParameters, RequestStatus} from "../types/Request.sol";
import {Settlement, SettlementParameters, StageReceipt} from "../types/Settlement.sol";
import {IEscrowAccounts} from "./IEscrowAccounts.sol";
import {IShardRegistry} from "./IShardRegistry.sol";

/// @title IInferenceEscrow
/// @notice Holds a request's deposit until there is an answer or the deadline has passed.
/// @dev The promise: a paid path or a whole refund. A request is settled only by the signatures of a whole path of
/// active shards; nobody can pause `settle`, `decline`, `refund` or `withdraw`, or take a deposit elsewhere. What the
/// contract can't see: whether the answer is true to the model. That is what the enclaves are attested for.
interface IInferenceEscrow is IEscrowAccounts {
    /* CONSTRUCTION */

    error ZeroAddress();
    error FeeTooHigh(uint256 feeBps, uint256 max);
    error WindowsInvalid(uint256 minWindow, uint256 maxWindow);
    error UnbondingTooShort(uint256 unbondingPeriod, uint256 maxWindow);
    error SupplyTooLarge(uint256 supply, uint256 max);
    error OtherToken(address token, address registryToken);

    /* REQUEST */

    error RequestsPaused();

    /// @notice The registry doesn't know this escrow, so that no penalty could be paid.
    error EscrowNotBound(address bound);

    error NoRecipients();
    error TooManyRecipients(uint256 count, uint256 max);
    error DuplicateRecipient(ShardId shardId);
    error RecipientOfOtherModel(ShardId shardId, ModelId expected, ModelId actual);
    error RecipientNotEntry(ShardId shardId);
    error RecipientInactive(ShardId shardId);
    error ZeroCap(uint256 maxInputTokens, uint256 maxOutputTokens);
    error CapsAboveContext(uint256 tokens, uint256 contextLength);
    error DeadlinePassed(uint256 deadline, uint256 currentTime);
    error DeadlineTooNear(uint256 deadline, uint256 earliest);
    error DeadlineTooFar(uint256 deadline, uint256 latest);
    error EnvelopeEmpty();
    error EnvelopeTooLarge(uint256 length, uint256 max);
    error DepositAboveLimit(uint256 deposit, uint256 maxDeposit);

    /// @notice The requester lets the escrow take `allowance` token wei, and `needed` are missing after its credit.
    error TokenAllowanceTooLow(address requester, uint256 allowance, uint256 needed);

    /// @notice The authorized value and the credit don't cover the deposit.
    error AuthorizationTooLow(address requester, uint256 covered, uint256 deposit);

    /// @notice A question was paid for. The envelope is only here.
    event RequestOpened(
        RequestId indexed requestId,
        address indexed requester,
        ModelId indexed modelId,
        ShardId[] recipients,
        uint256 maxInputTokens,
        uint256 maxOutputTokens,
        uint256 deposit,
        uint256 deadline,
        bytes32 clientNonce,
        bytes envelope
    );
    event RequestsPausedBy(address indexed by);
    event RequestsResumedBy(address indexed by);

    /// @notice Opens a request of the caller. The caller's credit, but for one wei, pays first, then a token
    /// transfer. Reverts with IModelRegistry.UnknownModel for a model which the registry doesn't know.
    function request(RequestParameters calldata parameters) external returns (RequestId requestId);

    /// @notice The same with an ERC-2612 permit. A permit which somebody else has sent already does no harm.
    function requestWithPermit(RequestParameters calldata parameters, Permit calldata permit)
        external
        returns (RequestId requestId);

    /// @notice Opens a request of `authorization.from`, sent by anyone, paid by an ERC-3009 authorization whose nonce
    /// binds it to exactly this request. What is authorized above the deposit becomes credit.
    function requestWithAuthorization(RequestParameters calldata parameters, Authorization calldata authorization)
        external
        returns (RequestId requestId);

    /// @notice Opens a request of the host of the active shard `shardId`, without payment, on today's host allowance.
    function requestOnAllowance(RequestParameters calldata parameters, ShardId shardId)
        external
        returns (RequestId requestId);

    /// @notice Ends the admission of new requests, and of nothing else. Restricted.
    function pauseRequests() external;

    /// @notice Admits new requests again. Restricted. An escrow begins paused and must be bound by its registry
    /// first.
    function unpauseRequests() external;

    /* SETTLEMENT */

    error UnknownRequest(RequestId requestId);
    error RequestNotOpen(RequestId requestId, RequestStatus status);
    error SettlementTooLate(RequestId requestId, uint256 deadline);
    error InputTokensOutOfRange(RequestId requestId, uint256 tokens, uint256 max);
    error OutputTokensOutOfRange(RequestId requestId, uint256 tokens, uint256 max);
    error AnswerEmpty(RequestId requestId);
    error AnswerTooLarge(RequestId requestId, uint256 length, uint256 max);
    error NoReceipts(RequestId requestId);

    /// @notice The first receipt's shard was not asked.
    error EntryNotRecipient(RequestId requestId, ShardId shardId);
    error StageUnknown(RequestId requestId, uint256 stage, ShardId shardId);

    /// @notice The stage's shard has left, or its attestation has expired.
    error StageInactive(RequestId requestId, uint256 stage, ShardId shardId);

    /// @notice The stage's shard was paused before the request was opened.
    error StagePaused(RequestId requestId, uint256 stage, ShardId shardId);

    /// @notice The path's shards are of fewer hosts, or on fewer platforms, than the model's policy asks for.
    error TooFewHosts(RequestId requestId, uint256 different, uint256 minHosts);
    error TooFewPlatforms(RequestId requestId, uint256 different, uint256 minPlatforms);
    error WrongModel(RequestId requestId, uint256 stage, ModelId expected, ModelId actual);
    error PathGap(RequestId requestId, uint256 stage, uint256 expectedLayer, uint256 firstLayer);

    /// @notice Also what a repeated shard leads to.
    error PathOverlap(RequestId requestId, uint256 stage, uint256 expectedLayer, uint256 firstLayer);
    error PathIncomplete(RequestId requestId, uint256 endLayer, uint256 layerCount);
    error CommitmentMismatch(RequestId requestId, uint256 stage, bytes32 sent, bytes32 received);

    /// @notice A receipt of another request, chain or escrow, or of other values, recovers to some other address.
    error WrongSigner(RequestId requestId, uint256 stage, address expected, address recovered);

    /// @notice The entry has not signed this settlement.
    error SettlementNotSigned(RequestId requestId, address expected, address recovered);

    /// @notice One stage of a settled request: which attested enclave served it, and what its host earned.
    event StageSettled(
        RequestId indexed requestId, ShardId indexed shardId, address indexed host, bytes32 quoteHash, uint256 amount
    );

    /// @notice The answer is only here.
    event RequestSettled(
        RequestId indexed requestId,
        address indexed requester,
        uint256 inputTokens,
        uint256 outputTokens,
        uint256 cost,
        uint256 fee,
        uint256 royalty,
        uint256 refund,
        bytes32 lastReceipt,
        bytes answer
    );

    /// @notice A batch left this request alone: it had ended before, or its deadline has passed.
    event SettlementSkipped(RequestId indexed requestId, RequestStatus status);

    /// @notice Pays a whole path for an answer. By anyone: the signatures count, not the sender.
    function settle(SettlementParameters calldata parameters) external;

    /// @notice Settles many. Skips requests that can't be settled any more, because a lost race is not an error;
    /// reverts on a settlement that is wrong.
    function settleBatch(SettlementParameters[] calldata batch) external;

    /* REFUND */

    error NotARecipientsSigner(RequestId requestId, address caller);
    error DeclineTooEarly(RequestId requestId, uint256 takeoverAt);
    error DeclineTooLate(RequestId requestId, uint256 deadline);
    error RefundTooEarly(RequestId requestId, uint256 deadline);

    event RequestDeclined(RequestId indexed requestId, ShardId indexed shardId, DeclineReason reason, uint256 refund);
    event RequestRefunded(RequestId indexed requestId, address indexed requester, uint256 refund, uint256 penalty);

    /// @notice Gives everything back because a recipient can't answer. By that shard's signer, from its takeover time
    /// until the deadline.
    function decline(RequestId requestId, DeclineReason reason) external;

    /// @notice Gives everything back after the deadline, with a penalty from the primary's bond if it was a paid
    /// request. By anyone.
    function refund(RequestId requestId) external;

    /* VIEWS */

    /// @notice How many requests have been opened; their ids are 1 to this number.
    function requestCount() external view returns (uint256);

    function requestOf(RequestId requestId) external view returns (Request memory);

    /// @notice The open requests among the `limit` ids after `cursor`. Begin with cursor 0.
    /// @return requestIds Ascending.
    /// @return next The cursor of the next page; zero: this was the last one.
    function openRequests(RequestId cursor, uint256 limit)
        external
        view
        returns (RequestId[] memory requestIds, RequestId next);

    function areRequestsPaused() external view returns (bool);

    /// @notice When recipient `index` may start or decline (Unix seconds).
    function takeoverAt(RequestId requestId, uint256 index) external view returns (uint256);

    /// @notice The ERC-3009 nonce which binds an authorization to a request.
    function authorizationNonce(address requester, RequestParameters calldata parameters)
        external
        view
        returns (bytes32);

    /// @notice The EIP-712 digest that a stage's signer signs.
    function receiptDigest(StageReceipt calldata receipt) external view returns (bytes32);

    /// @notice The EIP-712 digest that the entry's signer signs.
    function settlementDigest(Settlement calldata settlement) external view returns (bytes32);

    function TOKEN() external view returns (IERC20);
    function REGISTRY() external view returns (IShardRegistry);
    function TREASURY() external view returns (address);
    function FEE_BPS() external view returns (uint16);

    /// @notice Token wei which a requester gets from the primary's bond when the deadline passed in silence.
    function PENALTY() external view returns (uint96);

    /// @notice Seconds between a request and its deadline.
    function MIN_WINDOW() external view returns (uint16);
    function MAX_WINDOW() external view returns (uint16);

    /// @notice Bytes of the largest envelope, and of the largest answer.
    function MAX_ENVELOPE_BYTES() external view returns (uint32);
}
