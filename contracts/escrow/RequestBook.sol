// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../interfaces/IInferenceEscrow.sol";
import {RecipientList} from "../libraries/RecipientList.sol";
import {ModelId, RequestId} from "../types/Identifiers.sol";
import {Recipients, Request, RequestRecord, RequestStatus} from "../types/Request.sol";
import {EscrowTerms} from "./EscrowTerms.sol";

/// @title RequestBook
/// @notice All requests ever made, and the arithmetic of one.
abstract contract RequestBook is EscrowTerms {
    using RecipientList for Recipients;

    // One slot.
    uint128 internal _requestCount;
    bool internal _requestsPaused = true;

    mapping(RequestId requestId => RequestRecord record) internal _requests;

    /// @inheritdoc IInferenceEscrow
    function requestCount() external view returns (uint256) {
        return _requestCount;
    }

    /// @inheritdoc IInferenceEscrow
    function areRequestsPaused() external view returns (bool) {
        return _requestsPaused;
    }

    /// @inheritdoc IInferenceEscrow
    function requestOf(RequestId requestId) external view returns (Request memory) {
        RequestRecord memory record = _known(requestId);
        (ModelId modelId,,) = REGISTRY.standingOf(record.recipients.get(0));
        return Request({
            requester: record.requester,
            modelId: modelId,
            status: record.status,
            openedAt: record.openedAt,
            deadline: uint40(_deadline(record)),
            maxInputTokens: record.maxInputTokens,
            maxOutputTokens: record.maxOutputTokens,
            inputPrice: record.inputPrice,
            outputPrice: record.outputPrice,
            deposit: uint96(_deposit(record)),
            recipients: record.recipients.toArray()
        });
    }

    /// @inheritdoc IInferenceEscrow
    function openRequests(RequestId cursor, uint256 limit)
        external
        view
        returns (RequestId[] memory requestIds, RequestId next)
    {
        uint256 last = RequestId.unwrap(cursor);
        uint256 left = last < _requestCount ? _requestCount - last : 0;
        uint256 seen = limit < left ? limit : left;
        uint256 found;
        requestIds = new RequestId[](seen);
        for (uint256 i = 1; i <= seen; ++i) {
            RequestId requestId = RequestId.wrap(last + i);
            if (_requests[requestId].status == RequestStatus.OPEN) requestIds[found++] = requestId;
        }
        // Shortens the array to what was found.
        assembly ("memory-safe") {
            mstore(requestIds, found)
        }
        if (seen < left) next = RequestId.wrap(last + seen);
    }

    /// @inheritdoc IInferenceEscrow
    function takeoverAt(RequestId requestId, uint256 index) external view returns (uint256) {
        return _takeoverAtDown(_known(requestId), index);
    }

    function _known(RequestId requestId) internal view returns (RequestRecord memory record) {
        record = _requests[requestId];
        if (record.status == RequestStatus.NONE) revert UnknownRequest(requestId);
    }

    function _stillOpen(RequestId requestId) internal view returns (RequestRecord memory record) {
        record = _known(requestId);
        if (record.status != RequestStatus.OPEN) revert RequestNotOpen(requestId, record.status);
    }

    /// @dev Below 2^88 + 2^80, so it fits 96 bits.
    function _deposit(RequestRecord memory record) internal pure returns (uint256) {
        return _price(record, record.maxInputTokens, record.maxOutputTokens);
    }

    function _price(RequestRecord memory record, uint256 inputTokens, uint256 outputTokens)
        internal
        pure
        returns (uint256)
    {
        return inputTokens * record.inputPrice + outputTokens * record.outputPrice;
    }

    /// @dev Published prices are never zero: only a request on a host's allowance has none.
    function _isPaid(RequestRecord memory record) internal pure returns (bool) {
        return record.inputPrice != 0;
    }

    /// @dev What a request on a host's allowance sets aside.
    function _reservedTokens(RequestRecord memory record) internal pure returns (uint256) {
        return uint256(record.maxInputTokens) + record.maxOutputTokens;
    }

    function _deadline(RequestRecord memory record) internal pure returns (uint256) {
        return uint256(record.openedAt) + record.window;
    }

    function _takeoverAtDown(RequestRecord memory record, uint256 index) internal pure returns (uint256) {
        return record.openedAt + index * record.window / record.recipients.count();
    }
}
