// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ModelId, RequestId, ShardId} from "../types/Identifiers.sol";
import {Authorization, DeclineReason, Permit, Request, RequestParameters, RequestStatus} from "../types/Request.sol";
import {SettlementParameters} from "../types/Settlement.sol";
import {IEscrowAccounts} from "./IEscrowAccounts.sol";
import {IEscrowParameters} from "./IEscrowParameters.sol";

/// @title IInferenceEscrow
/// @notice Holds a request's deposit until the request is answered, declined or past its deadline.
/// @dev The life of a request:
///
///     NONE ── request ──► OPEN ─┬─ settle ──► SETTLED    the path is paid, the rest of the deposit comes back
///                               ├─ decline ─► DECLINED   the whole deposit comes back
///                               └─ refund ──► REFUNDED   the whole deposit comes back, with a penalty
///
/// Until the deadline, any recipient may settle, and recipient `i` of `n` may decline once i/n of the window have
/// passed. After the deadline, only a refund is possible. A request that ended never changes again.
///
/// The money: a deposit covers both caps at the prices of the time of the request. A settlement charges the tokens that
/// were used: royalty and hosts' shares are rounded down, and the fee gets what that leaves. Everything is credited to
/// accounts and withdrawn by a call of its own, so no recipient of tokens can block an ending.
///
/// The promise: either a whole path is paid, or the whole deposit comes back. Only the signatures of all stages of
/// a path of attested shards can settle a request. No role can pause `settle`, `decline`, `refund` or `withdraw`, or
/// move a deposit anywhere else.
///
/// What the contract does not guarantee: that the answer is what the model computes. It sees signatures, not
/// computations; that the signers compute faithfully is what their enclaves are attested for.
///
/// GUARDIAN and PUBLISHER are the roles of AccessRoles, as AccessSetup assigns them.
interface IInferenceEscrow is IEscrowParameters, IEscrowAccounts {
    /* REQUEST */

    /// @notice New requests are paused.
    error RequestsPaused();

    /// @notice The registry is bound to another escrow, or to none, so it would refuse to pay this one's penalties.
    error EscrowNotBound(address bound);

    /// @notice A request names at least one recipient.
    error NoRecipients();

    /// @notice A request names at most `max` recipients.
    error TooManyRecipients(uint256 count, uint256 max);

    /// @notice The shard is named twice.
    error DuplicateRecipient(ShardId shardId);

    /// @notice The shard serves model `actual`; zero: there is no such shard.
    error RecipientOfOtherModel(ShardId shardId, ModelId expected, ModelId actual);

    /// @notice The shard is not an entry, so it cannot open the envelope.
    error RecipientNotEntry(ShardId shardId);

    /// @notice The shard is not active: it has left, is paused, its attestation has expired, or its bond is not whole.
    error RecipientInactive(ShardId shardId);

    /// @notice A cap is zero. Both in LLM tokens.
    error ZeroCap(uint256 maxInputTokens, uint256 maxOutputTokens);

    /// @notice Both caps together exceed the model's context length. In LLM tokens.
    error CapsAboveContext(uint256 tokens, uint256 contextLength);

    /// @notice The deadline is not in the future. Unix seconds, as in the two errors that follow.
    error DeadlinePassed(uint256 deadline, uint256 currentTime);

    /// @notice The deadline is less than `MIN_WINDOW` away.
    error DeadlineTooNear(uint256 deadline, uint256 earliest);

    /// @notice The deadline is more than `MAX_WINDOW` away.
    error DeadlineTooFar(uint256 deadline, uint256 latest);

    /// @notice The envelope has no bytes.
    error EnvelopeEmpty();

    /// @notice The envelope has more than `MAX_ENVELOPE_BYTES`.
    error EnvelopeTooLarge(uint256 length, uint256 max);

    /// @notice At today's prices the deposit exceeds what the requester accepts. In token wei.
    error DepositAboveLimit(uint256 deposit, uint256 maxDeposit);

    /// @notice The token allowance does not cover what is due after credit is spent. In token wei.
    error TokenAllowanceTooLow(address requester, uint256 allowance, uint256 needed);

    /// @notice The authorized value and the credit together do not cover the deposit. In token wei.
    error AuthorizationTooLow(address requester, uint256 covered, uint256 deposit);

    /// @notice A request was opened and paid for.
    /// @param recipients The primary first.
    /// @param maxInputTokens LLM tokens, as is `maxOutputTokens`.
    /// @param deposit Token wei; zero on a host's allowance.
    /// @param deadline Last Unix second in which a settlement pays.
    /// @param clientNonce Chosen by the requester; part of the envelope's encryption context.
    /// @param envelope The encrypted prompt. It is only here, never in storage.
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

    /// @notice New requests were paused, by a GUARDIAN.
    event RequestsPausedBy(address indexed by);

    /// @notice New requests were admitted again, by a PUBLISHER.
    event RequestsResumedBy(address indexed by);

    /// @notice Opens a request of the caller. Credit pays first, but for one wei; a token transfer pays the rest.
    /// Anyone may call.
    /// @dev The recipients must be active now; they may leave later, and then the request can only be refunded. Reverts
    /// with one of the errors above, with IModelAdministration.UnknownModel for an unknown model, or as the token
    /// reverts.
    /// @return requestId The next id; ids are never used twice.
    function request(RequestParameters calldata parameters) external returns (RequestId requestId);

    /// @notice Opens a request of the caller, who approves the payment with an ERC-2612 permit. Anyone may call.
    /// @dev A permit that fails is ignored: it may have been submitted before, and only the token allowance counts.
    /// Reverts as {request}.
    /// @param permit Signed by the caller, for the escrow as spender.
    function requestWithPermit(RequestParameters calldata parameters, Permit calldata permit)
        external
        returns (RequestId requestId);

    /// @notice Opens a request of `authorization.from`, paid by an ERC-3009 authorization. Anyone may call.
    /// @dev The authorization's nonce must be {authorizationNonce}, which binds it to exactly these parameters. Value
    /// above the due amount becomes credit. Reverts as {request}, and with {AuthorizationTooLow}.
    /// @param parameters What `authorization.from` asks for; the sender cannot change any of it.
    /// @param authorization Signed by the requester, for the escrow as payee.
    function requestWithAuthorization(RequestParameters calldata parameters, Authorization calldata authorization)
        external
        returns (RequestId requestId);

    /// @notice Opens a request of the caller without payment, on the caller's host allowance of today. Only the host of
    /// an active shard.
    /// @dev Reserves both caps of today's allowance; what is not used returns if the request ends on the same UTC day.
    /// Neither hosts nor treasury earn from it. Reverts as {request}, and with the errors of {IEscrowAccounts} about
    /// allowances.
    /// @param shardId An active shard of the caller that serves the model.
    function requestOnAllowance(RequestParameters calldata parameters, ShardId shardId)
        external
        returns (RequestId requestId);

    /// @notice Pauses new requests, and nothing else: open ones can still be settled, declined and refunded, and credit
    /// withdrawn. Only GUARDIAN.
    /// @dev Does nothing but repeat the event if they are paused already.
    function pauseRequests() external;

    /// @notice Admits new requests again. An escrow starts paused. Only PUBLISHER.
    /// @dev Reverts with {EscrowNotBound}: without the registry, no penalty could be paid.
    function unpauseRequests() external;

    /* SETTLEMENT */

    /// @notice There is no request of that id.
    error UnknownRequest(RequestId requestId);

    /// @notice The request has already ended, as `status` says.
    error RequestNotOpen(RequestId requestId, RequestStatus status);

    /// @notice The deadline (Unix seconds) has passed.
    error SettlementTooLate(RequestId requestId, uint256 deadline);

    /// @notice The input tokens are zero or exceed the request's cap.
    error InputTokensOutOfRange(RequestId requestId, uint256 tokens, uint256 max);

    /// @notice The output tokens are zero or exceed the request's cap.
    error OutputTokensOutOfRange(RequestId requestId, uint256 tokens, uint256 max);

    /// @notice The answer has no bytes.
    error AnswerEmpty(RequestId requestId);

    /// @notice The answer has more than `MAX_ENVELOPE_BYTES`.
    error AnswerTooLarge(RequestId requestId, uint256 length, uint256 max);

    /// @notice A path has at least one stage.
    error NoReceipts(RequestId requestId);

    /// @notice The shard of the first receipt is not a recipient of the request.
    error EntryNotRecipient(RequestId requestId, ShardId shardId);

    /// @notice There is no shard of that id. `stage` is its position in the path, here and below.
    error StageUnknown(RequestId requestId, uint256 stage, ShardId shardId);

    /// @notice The stage's shard has left, or its attestation has expired.
    error StageInactive(RequestId requestId, uint256 stage, ShardId shardId);

    /// @notice The stage's shard was already paused when the request was opened.
    error StagePaused(RequestId requestId, uint256 stage, ShardId shardId);

    /// @notice The path has `different` hosts, fewer than the model's policy requires.
    error TooFewHosts(RequestId requestId, uint256 different, uint256 minHosts);

    /// @notice The path is on `different` platforms, fewer than the model's policy requires.
    error TooFewPlatforms(RequestId requestId, uint256 different, uint256 minPlatforms);

    /// @notice The stage's shard serves another model than the entry.
    error WrongModel(RequestId requestId, uint256 stage, ModelId expected, ModelId actual);

    /// @notice Layers `[expectedLayer, firstLayer)` are missing before this stage.
    error PathGap(RequestId requestId, uint256 stage, uint256 expectedLayer, uint256 firstLayer);

    /// @notice The stage repeats layers from `firstLayer` on. A shard that is named twice also leads here.
    error PathOverlap(RequestId requestId, uint256 stage, uint256 expectedLayer, uint256 firstLayer);

    /// @notice The path ends at `endLayer`, before the model's last layer.
    error PathIncomplete(RequestId requestId, uint256 endLayer, uint256 layerCount);

    /// @notice The stage commits to another input than the output that the stage before commits to.
    error CommitmentMismatch(RequestId requestId, uint256 stage, bytes32 sent, bytes32 received);

    /// @notice The receipt is not signed by the stage's signer. A receipt of other values, or of another request,
    /// chain or escrow, recovers to some other address; zero: the signature is malformed.
    error WrongSigner(RequestId requestId, uint256 stage, address expected, address recovered);

    /// @notice The entry has not signed this settlement.
    error SettlementNotSigned(RequestId requestId, address expected, address recovered);

    /// @notice One stage of a settled request: which attested enclave served it, and what its host earned.
    /// @param quoteHash The quote that the shard was last attested by.
    /// @param amount Token wei.
    event StageSettled(
        RequestId indexed requestId, ShardId indexed shardId, address indexed host, bytes32 quoteHash, uint256 amount
    );

    /// @notice A request was answered and its path paid.
    /// @param inputTokens LLM tokens, as is `outputTokens`.
    /// @param cost Token wei, as are `fee`, `royalty` and `refund`: cost + refund = deposit.
    /// @param lastReceipt The EIP-712 struct hash of the last stage's receipt.
    /// @param answer The encrypted answer. It is only here, never in storage.
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

    /// @notice A batch skipped this request: it has ended (see `status`), or it is open and past its deadline.
    event SettlementSkipped(RequestId indexed requestId, RequestStatus status);

    /// @notice Settles a request: publishes the answer, credits the path, and credits the rest of the deposit to the
    /// requester. Anyone may call; the signatures authorize, not the sender.
    /// @dev Checks in this order: the request is open and in time; the token counts and the answer are within bounds;
    /// the entry is a recipient; the stages are attested, of one model, and tile its layers; the path has enough
    /// different hosts and platforms; every receipt and the settlement are signed. Reverts with the error of the first
    /// check that fails.
    ///
    /// Stages must be attested at the time of the call, not of the request: the path of a shard that left in between
    /// cannot be settled any more. A shard that was only paused in between still counts.
    /// @param parameters Receipts in the order of the path.
    function settle(SettlementParameters calldata parameters) external;

    /// @notice Settles many requests. Anyone may call.
    /// @dev Skips requests that have ended or are past their deadline, because a lost race is not an error. Reverts as
    /// a whole if a settlement of an open request is invalid, or a request does not exist.
    function settleBatch(SettlementParameters[] calldata batch) external;

    /* DECLINE AND REFUND */

    /// @notice The caller is not the signer of a recipient.
    error NotARecipientsSigner(RequestId requestId, address caller);

    /// @notice The recipient may act from `takeoverAt` (Unix seconds) on.
    error DeclineTooEarly(RequestId requestId, uint256 takeoverAt);

    /// @notice The deadline (Unix seconds) has passed; {refund} gives the deposit back.
    error DeclineTooLate(RequestId requestId, uint256 deadline);

    /// @notice The deadline (Unix seconds) has not passed yet.
    error RefundTooEarly(RequestId requestId, uint256 deadline);

    /// @notice A recipient declined; the whole deposit was credited to the requester.
    /// @param shardId The recipient that declined.
    /// @param reason What its enclave gave as the reason; not verified.
    /// @param refund Token wei; zero on a host's allowance.
    event RequestDeclined(RequestId indexed requestId, ShardId indexed shardId, DeclineReason reason, uint256 refund);

    /// @notice The deadline passed without an answer; deposit and penalty were credited to the requester.
    /// @param refund Token wei; the deposit, zero on a host's allowance.
    /// @param penalty Token wei from the primary's bond; zero on a host's allowance.
    event RequestRefunded(RequestId indexed requestId, address indexed requester, uint256 refund, uint256 penalty);

    /// @notice Ends requests that a recipient cannot answer and gives their whole deposits back, without a penalty.
    /// Only the signer of a recipient of each, from its takeover time until the deadline.
    /// @dev The recipient's shard need not be active. Skips requests that have ended, because a lost race is not an
    /// error. Reverts as a whole with {UnknownRequest}, {NotARecipientsSigner}, {DeclineTooEarly} or {DeclineTooLate}.
    /// @param reason Only informs; it changes nothing about the refund.
    function decline(RequestId[] calldata requestIds, DeclineReason reason) external;

    /// @notice Gives the whole deposit back after the deadline; for a paid request, with a penalty from the primary's
    /// bond. Anyone may call.
    /// @dev The primary answers for the request even if another recipient could have taken over. Its bond pays at most
    /// `PENALTY` and at most what it holds. Reverts with {UnknownRequest}, {RequestNotOpen} or {RefundTooEarly}.
    function refund(RequestId requestId) external;

    /* VIEWS */

    /// @notice How many requests have been opened; their ids are 1 to this number.
    function requestCount() external view returns (uint256);

    /// @notice Whether new requests are paused.
    function areRequestsPaused() external view returns (bool);

    /// @notice The request with its derived values. Reverts with {UnknownRequest}.
    function requestOf(RequestId requestId) external view returns (Request memory);

    /// @notice The open requests of one recipient among the `limit` ids after `cursor`. Start with cursor 0.
    /// @dev A request stays open after its deadline until it is refunded.
    /// @param recipient An entry shard; zero: every recipient's requests.
    /// @return requestIds Ascending.
    /// @return next The cursor of the next page; zero: this was the last one.
    function openRequests(ShardId recipient, RequestId cursor, uint256 limit)
        external
        view
        returns (RequestId[] memory requestIds, RequestId next);

    /// @notice When recipient `index` (the primary is 0) may start or decline: openedAt + index × window / recipients,
    /// rounded down, in Unix seconds. Reverts with {UnknownRequest}.
    function takeoverAt(RequestId requestId, uint256 index) external view returns (uint256);

    /// @notice The ERC-3009 nonce that binds an authorization to a request; docs/protocol.md, section 6.
    /// @param requester Who signs the authorization.
    /// @param parameters Exactly those of the later {requestWithAuthorization}.
    function authorizationNonce(address requester, RequestParameters calldata parameters)
        external
        view
        returns (bytes32);
}
