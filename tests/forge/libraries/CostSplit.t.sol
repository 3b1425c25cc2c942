// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CostSplit} from "../../../contracts/libraries/CostSplit.sol";
import {ModelTerms} from "../../../contracts/types/Model.sol";
import {Split} from "../../../contracts/types/Settlement.sol";
import {Stage} from "../../../contracts/types/Shard.sol";
import {ForgeTest} from "../fixtures/ForgeTest.sol";

/// Given any deposit, cost, fee, royalty and path when it is divided: the parts should add up to the deposit, to the
/// last token wei, and each should be what the protocol says
contract CostSplitTest is ForgeTest {
    uint256 private constant MAX_STAGES = 16;

    function test_divide__anything__conserves_the_deposit(
        uint96 deposit,
        uint96 cost,
        uint16 feeBps,
        uint16 royaltyBps,
        uint8 equivalents,
        uint256 seed
    ) external pure {
        cost = uint96(bounded(cost, 0, deposit));
        ModelTerms memory terms = _terms(royaltyBps, equivalents);
        Stage[] memory stages = _stages(seed, terms);
        (Split memory split, uint256[] memory shares) =
            CostSplit.divide(deposit, cost, bounded(feeBps, 0, 3000), terms, stages);
        uint256 sum = split.fee + split.royalty + split.refund;
        for (uint256 i = 0; i < shares.length; ++i) {
            sum += shares[i];
        }
        vm.assertEq(sum, deposit);
        vm.assertEq(split.cost, cost);
    }

    function test_divide__anything__pays_each_by_its_weight(
        uint96 cost,
        uint16 feeBps,
        uint16 royaltyBps,
        uint8 equivalents,
        uint256 seed
    ) external pure {
        ModelTerms memory terms = _terms(royaltyBps, equivalents);
        Stage[] memory stages = _stages(seed, terms);
        uint256 fee = bounded(feeBps, 0, 3000);
        (Split memory split, uint256[] memory shares) = CostSplit.divide(cost, cost, fee, terms, stages);
        uint256 pool = cost - uint256(cost) * fee / 10_000 - split.royalty;
        vm.assertEq(split.royalty, uint256(cost) * terms.royaltyBps / 10_000);
        for (uint256 i = 0; i < stages.length; ++i) {
            uint256 weight = stages[i].endLayer - stages[i].firstLayer + (i == 0 ? equivalents : 0);
            vm.assertEq(shares[i], pool * weight / (uint256(terms.layerCount) + equivalents));
        }
        // Rounding leaves less than one token wei per stage.
        vm.assertLt(split.fee - uint256(cost) * fee / 10_000, stages.length);
    }

    function test_divide__highest_fee_and_royalty__leaves_hosts_a_fifth() external pure {
        ModelTerms memory terms = _terms(5000, 0);
        Stage[] memory stages = new Stage[](1);
        (stages[0].firstLayer, stages[0].endLayer) = (0, 4);
        terms.layerCount = 4;
        (Split memory split, uint256[] memory shares) = CostSplit.divide(1000, 1000, 3000, terms, stages);
        vm.assertEq(shares[0], 200);
        vm.assertEq(split.fee, 300);
        vm.assertEq(split.royalty, 500);
    }

    function _terms(uint16 royaltyBps, uint8 equivalents) private pure returns (ModelTerms memory terms) {
        terms.royaltyBps = uint16(bounded(royaltyBps, 0, 5000));
        terms.entryLayerEquivalents = equivalents;
    }

    /// @dev 1 to 16 stages of 1 to 16 layers, which tile a model.
    function _stages(uint256 seed, ModelTerms memory terms) private pure returns (Stage[] memory stages) {
        stages = new Stage[](bounded(seed, 1, MAX_STAGES));
        uint16 end;
        for (uint256 i = 0; i < stages.length; ++i) {
            stages[i].firstLayer = end;
            end += uint16(bounded(uint256(keccak256(abi.encode(seed, i))), 1, 16));
            stages[i].endLayer = end;
        }
        terms.layerCount = end;
    }
}
