// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {EscrowParameters, ImmutableParameters} from "./escrow/ImmutableParameters.sol";
import {RequestAdmission} from "./escrow/RequestAdmission.sol";
import {RequestRefund} from "./escrow/RequestRefund.sol";
import {RequestSettlement} from "./escrow/RequestSettlement.sol";
import {IEscrowAccounts} from "./interfaces/IEscrowAccounts.sol";
import {IInferenceEscrow} from "./interfaces/IInferenceEscrow.sol";
import {ReceiptHash} from "./libraries/ReceiptHash.sol";
import {Account} from "./types/Account.sol";
import {RequestId, ShardId} from "./types/Identifiers.sol";
import {
    Authorization,
    DeclineReason,
    Permit,
    Request,
    RequestParameters,
    RequestRecord,
    RequestStatus
} from "./types/Request.sol";
import {SettlementParameters} from "./types/Settlement.sol";
import {Stage} from "./types/Shard.sol";

/// @title InferenceEscrow
/// @notice Holds a request's deposit until the request is answered, declined or past its deadline.
/// @dev All external functions, in the order of a request's life. The checks and the bookkeeping behind them are in
/// contracts/escrow: RequestAdmission opens requests, RequestSettlement ends those with an answer, RequestRefund those
/// without one. PathVerification checks receipts, EscrowAccounts keeps what is owed, RequestStorage the requests,
/// ImmutableParameters the deployment's values.
///
/// The token balance of this contract is the sum of all open deposits and all credits. Functions that change either are
/// `nonReentrant` as a second line of defence: token and registry are trusted not to call back.
contract InferenceEscrow is
    AccessManaged,
    ReentrancyGuardTransient,
    RequestAdmission,
    RequestSettlement,
    RequestRefund
{
    using SafeERC20 for IERC20;

    /// @notice Deploys an escrow that admits no requests until it is bound by the registry and unpaused.
    /// @param authority The AccessManager that decides who may pause and unpause new requests.
    /// @param terms See {IEscrowParameters}, which also declares what the constructor reverts with.
    /// @dev Sets the EIP-712 domain of receipts and settlements; `escrow_domain` in teetee/protocol/typed_data.py.
    constructor(address authority, EscrowParameters memory terms)
        AccessManaged(authority)
        ImmutableParameters(terms)
        EIP712("TeeTee Escrow", "1")
    {}

    /* REQUEST */

    /// @inheritdoc IInferenceEscrow
    /// @dev The request is stored before it is paid for: if the payment fails, everything reverts.
    function request(RequestParameters calldata parameters) external nonReentrant returns (RequestId requestId) {
        uint256 deposit;
        (requestId, deposit) = _openRequest(msg.sender, parameters, true);
        _collect(deposit);
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev As {request}, with the token allowance set in between.
    function requestWithPermit(RequestParameters calldata parameters, Permit calldata permit)
        external
        nonReentrant
        returns (RequestId requestId)
    {
        uint256 deposit;
        (requestId, deposit) = _openRequest(msg.sender, parameters, true);
        _submitPermit(permit);
        _collect(deposit);
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev The sender only pays gas. The requester is the signer of the authorization.
    function requestWithAuthorization(RequestParameters calldata parameters, Authorization calldata authorization)
        external
        nonReentrant
        returns (RequestId requestId)
    {
        uint256 deposit;
        (requestId, deposit) = _openRequest(authorization.from, parameters, true);
        _collectAuthorized(parameters, authorization, deposit);
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev Checks and reserves the allowance before the request is stored.
    function requestOnAllowance(RequestParameters calldata parameters, ShardId shardId)
        external
        nonReentrant
        returns (RequestId requestId)
    {
        uint256 tokens = uint256(parameters.maxInputTokens) + parameters.maxOutputTokens;
        _reserveAllowance(msg.sender, shardId, parameters.modelId, tokens);
        (requestId,) = _openRequest(msg.sender, parameters, false);
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev Only {_openRequest} reads the flag.
    function pauseRequests() external restricted {
        _requestsPaused = true;
        emit RequestsPausedBy(msg.sender);
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev Asks the registry each time; the binding itself can only happen once.
    function unpauseRequests() external restricted {
        address bound = REGISTRY.escrow();
        if (bound != address(this)) revert EscrowNotBound(bound);
        _requestsPaused = false;
        emit RequestsResumedBy(msg.sender);
    }

    /* SETTLEMENT */

    /// @inheritdoc IInferenceEscrow
    /// @dev The deadline is checked here and not in {_requireOpen}, because each ending compares it in its own way.
    function settle(SettlementParameters calldata parameters) external nonReentrant {
        RequestRecord memory record = _requireOpen(parameters.requestId);
        uint256 deadline = _deadline(record);
        if (block.timestamp > deadline) revert SettlementTooLate(parameters.requestId, deadline);
        _settle(parameters, record);
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev Settles one by one, as {settle} does, under one reentrancy guard. Frees memory after each: nothing in it is
    /// needed again, and the cost of memory grows quadratically.
    function settleBatch(SettlementParameters[] calldata batch) external nonReentrant {
        for (uint256 i = 0; i < batch.length; ++i) {
            uint256 free;
            assembly ("memory-safe") {
                free := mload(0x40)
            }
            _settleOrSkip(batch[i]);
            assembly ("memory-safe") {
                mstore(0x40, free)
            }
        }
    }

    /* DECLINE AND REFUND */

    /// @inheritdoc IInferenceEscrow
    /// @dev {RequestRefund} says who may decline, and when. Of a request that is listed twice, the second is skipped.
    function decline(RequestId[] calldata requestIds, DeclineReason reason) external nonReentrant {
        for (uint256 i = 0; i < requestIds.length; ++i) {
            RequestRecord memory record = _requireExisting(requestIds[i]);
            if (record.status == RequestStatus.OPEN) _decline(requestIds[i], record, reason);
        }
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev {RequestRefund} says who pays the penalty. Like the deposit, it goes to the requester, not to the sender.
    function refund(RequestId requestId) external nonReentrant {
        // Check:
        RequestRecord memory record = _requireOpen(requestId);
        uint256 deadline = _deadline(record);
        if (block.timestamp <= deadline) revert RefundTooEarly(requestId, deadline);
        // Effect:
        _requests[requestId].status = RequestStatus.REFUNDED;
        uint256 deposit = _refundDeposit(record);
        // Interaction, and the effect that depends on it:
        uint256 penalty = _collectPenalty(record);
        emit RequestRefunded({requestId: requestId, requester: record.requester, refund: deposit, penalty: penalty});
    }

    /* WITHDRAWAL */

    /// @inheritdoc IEscrowAccounts
    /// @dev Pays the whole credit, unlike a request, which leaves one wei. The payout address is read at the time of
    /// the call, so a host's earlier earnings follow a change of it.
    function withdraw(address account) external nonReentrant {
        // Check:
        uint256 amount = _accounts[account].credit;
        if (amount == 0) revert NothingToWithdraw(account);
        address payout = REGISTRY.payoutOf(account);
        address to = payout == address(0) ? account : payout;
        // Effect:
        _accounts[account].credit = 0;
        emit Withdrawn(account, to, amount);
        // Interaction:
        TOKEN.safeTransfer(to, amount);
    }

    /* VIEWS */

    /// @inheritdoc IInferenceEscrow
    function requestCount() external view returns (uint256) {
        return _requestCount;
    }

    /// @inheritdoc IInferenceEscrow
    function areRequestsPaused() external view returns (bool) {
        return _requestsPaused;
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev Model, deadline and deposit are not stored: they follow from the record.
    function requestOf(RequestId requestId) external view returns (Request memory) {
        return _toRequest(_requireExisting(requestId));
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev For oracles that have missed events; see {RequestStorage}.
    function openRequests(ShardId recipient, RequestId cursor, uint256 limit)
        external
        view
        returns (RequestId[] memory requestIds, RequestId next)
    {
        return _openRequestsAfter(recipient, cursor, limit);
    }

    /// @inheritdoc IInferenceEscrow
    /// @dev In the contract it only bounds {decline}; recipients also read it to know when to start.
    function takeoverAt(RequestId requestId, uint256 index) external view returns (uint256) {
        return _takeoverAtDown(_requireExisting(requestId), index);
    }

    /// @inheritdoc IEscrowAccounts
    function accountOf(address account) external view returns (Account memory) {
        return _accounts[account];
    }

    /// @inheritdoc IEscrowAccounts
    /// @dev Does not revert for a shard that is unknown or of another host: its quota is zero.
    function allowanceOf(address host, ShardId shardId) external view returns (uint256 quota, uint256 used) {
        Stage memory served = REGISTRY.stage(shardId);
        if (served.host == host && REGISTRY.isActive(shardId)) quota = _quotaDown(host, served);
        used = _usedToday(_accounts[host]);
    }

    /// @inheritdoc IInferenceEscrow
    function authorizationNonce(address requester, RequestParameters calldata parameters)
        external
        view
        returns (bytes32)
    {
        return ReceiptHash.hash(parameters, requester, address(this));
    }
}
