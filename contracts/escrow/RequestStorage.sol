// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RecipientList} from "../libraries/RecipientList.sol";
import {RequestId, ShardId} from "../types/Identifiers.sol";
import {Recipients, Request, RequestRecord, RequestStatus} from "../types/Request.sol";
import {ImmutableParameters} from "./ImmutableParameters.sol";

/// @title RequestStorage
/// @notice All requests ever opened, and what follows from the record of one: deposit, deadline, takeover times.
/// @dev Records are never deleted: an ended request must stay ended.
abstract contract RequestStorage is ImmutableParameters {
    using RecipientList for Recipients;

    /// @dev Shares its slot with `_requestsPaused`: opening a request reads both.
    uint128 internal _requestCount;
    /// @dev True until the registry is bound; see {InferenceEscrow.unpauseRequests}.
    bool internal _requestsPaused = true;

    /// @dev Two slots each; a request reads the registry for its model.
    mapping(RequestId requestId => RequestRecord record) internal _requests;

    /* LOOKUP */

    /// @dev Reverts for an id that was never opened. Copies the record to memory: two storage accesses, however often
    /// its fields are used.
    function _requireExisting(RequestId requestId) internal view returns (RequestRecord memory record) {
        record = _requests[requestId];
        if (record.status == RequestStatus.NONE) revert UnknownRequest(requestId);
    }

    /// @dev OPEN says nothing about the deadline; callers compare it themselves.
    function _requireOpen(RequestId requestId) internal view returns (RequestRecord memory record) {
        record = _requireExisting(requestId);
        if (record.status != RequestStatus.OPEN) revert RequestNotOpen(requestId, record.status);
    }

    /// @dev The record together with what is derived from it.
    function _toRequest(RequestRecord memory record) internal view returns (Request memory result) {
        // Every recipient was a shard of the request's model when the request was opened, and a shard's model is fixed.
        (result.modelId,,) = REGISTRY.recipientStatus(record.recipients.get(0));
        result.requester = record.requester;
        result.status = record.status;
        result.openedAt = record.openedAt;
        result.deadline = uint40(_deadline(record));
        result.maxInputTokens = record.maxInputTokens;
        result.maxOutputTokens = record.maxOutputTokens;
        result.inputPrice = record.inputPrice;
        result.outputPrice = record.outputPrice;
        result.deposit = uint96(_deposit(record));
        result.recipients = record.recipients.toArray();
        result.noncePrefix = record.noncePrefix;
    }

    /// @dev One page: ids in (cursor, cursor + limit] that are OPEN and for `recipient`, or for anyone if it is zero.
    /// Costs up to two storage accesses per id, so callers choose a limit that their node's gas cap allows.
    function _openRequestsAfter(ShardId recipient, RequestId cursor, uint256 limit)
        internal
        view
        returns (RequestId[] memory requestIds, RequestId next)
    {
        uint256 last = RequestId.unwrap(cursor);
        uint256 remaining = last < _requestCount ? _requestCount - last : 0;
        uint256 pageSize = limit < remaining ? limit : remaining;
        uint256 found;
        requestIds = new RequestId[](pageSize);
        uint256 end = last + pageSize;
        while (last < end) {
            RequestId requestId = RequestId.wrap(++last);
            RequestRecord storage record = _requests[requestId];
            if (record.status != RequestStatus.OPEN) continue;
            if (ShardId.unwrap(recipient) == 0 || record.recipients.indexOf(recipient) < RecipientList.MAX_RECIPIENTS)
            {
                requestIds[found++] = requestId;
            }
        }
        // Shortens the array; found <= pageSize.
        assembly ("memory-safe") {
            mstore(requestIds, found)
        }
        if (pageSize < remaining) next = RequestId.wrap(end);
    }

    /* DERIVED VALUES */

    /// @dev Token wei for both caps. Below 2^24 × 2^64 + 2^16 × 2^64 = 2^88 + 2^80, so it fits 96 bits.
    function _deposit(RequestRecord memory record) internal pure returns (uint256) {
        return _price(record, record.maxInputTokens, record.maxOutputTokens);
    }

    /// @dev Token wei for so many LLM tokens, at the prices of the time of the request.
    function _price(RequestRecord memory record, uint256 inputTokens, uint256 outputTokens)
        internal
        pure
        returns (uint256)
    {
        return inputTokens * record.inputPrice + outputTokens * record.outputPrice;
    }

    /// @dev Published prices are never zero, so a price of zero marks a request on a host's allowance. No flag is
    /// stored for it.
    function _isPaid(RequestRecord memory record) internal pure returns (bool) {
        return record.inputPrice != 0;
    }

    /// @dev LLM tokens that a request on a host's allowance reserves: as many as it may use.
    function _reservedTokens(RequestRecord memory record) internal pure returns (uint256) {
        return uint256(record.maxInputTokens) + record.maxOutputTokens;
    }

    /// @dev Unix seconds, inclusive: a settlement in this second still pays.
    function _deadline(RequestRecord memory record) internal pure returns (uint256) {
        return uint256(record.openedAt) + record.window;
    }

    /// @dev Splits the window evenly among the recipients, rounded down to whole seconds. The primary may start when
    /// the request is opened. For an `index` beyond the last recipient the result is at or after the deadline.
    function _takeoverAtDown(RequestRecord memory record, uint256 index) internal pure returns (uint256) {
        return record.openedAt + index * record.window / record.recipients.count();
    }
}
