// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ModelTerms} from "../types/Model.sol";
import {Split} from "../types/Settlement.sol";
import {Stage} from "../types/Shard.sol";

/// @title CostSplit
/// @notice Divides a deposit to the last token wei; docs/protocol.md, section 6. The deposit and the cost themselves
/// are computed from token counts and prices in RequestStorage.
library CostSplit {
    /// @notice 100 %.
    uint256 internal constant BPS = 10_000;

    /// @notice Divides `deposit` among hosts, treasury, royalty recipient and requester.
    /// @param deposit Token wei; at least `cost`, and below 2^96, so no product here overflows.
    /// @param cost Token wei.
    /// @param feeBps In 1/10000; at most 100 % together with the model's royalty.
    /// @param terms Of the stages' model.
    /// @param stages Tile the model's layers, the entry first.
    /// @return split Its parts and all shares add up to `deposit`.
    /// @return shares Token wei per stage, rounded down; the remainder is in the fee.
    function divide(uint256 deposit, uint256 cost, uint256 feeBps, ModelTerms memory terms, Stage[] memory stages)
        internal
        pure
        returns (Split memory split, uint256[] memory shares)
    {
        split.cost = cost;
        split.refund = deposit - cost;
        split.royalty = cost * terms.royaltyBps / BPS;
        uint256 pool = cost - cost * feeBps / BPS - split.royalty;
        uint256 paid;
        (shares, paid) = _shareDown(pool, terms, stages);
        split.fee = cost - split.royalty - paid;
    }

    /// @dev A stage's weight is its number of layers; embedding and head add entryLayerEquivalents to the entry's.
    function _shareDown(uint256 pool, ModelTerms memory terms, Stage[] memory stages)
        private
        pure
        returns (uint256[] memory shares, uint256 paid)
    {
        shares = new uint256[](stages.length);
        uint256 weights = uint256(terms.layerCount) + terms.entryLayerEquivalents;
        for (uint256 i = 0; i < stages.length; ++i) {
            uint256 weight = stages[i].endLayer - stages[i].firstLayer;
            if (i == 0) weight += terms.entryLayerEquivalents;
            shares[i] = pool * weight / weights;
            paid += shares[i];
        }
    }
}
