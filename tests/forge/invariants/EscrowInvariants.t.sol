// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Request, RequestStatus} from "../../../contracts/types/Request.sol";
import {ForgeTest} from "../fixtures/ForgeTest.sol";
import {SystemHandler} from "./SystemHandler.sol";

/// The numbers are those of README.md beside this file.
contract EscrowInvariantsTest is ForgeTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    SystemHandler private _handler;

    function setUp() external {
        _handler = new SystemHandler();
        _handler.setUp();
    }

    /// @dev Tells forge which contract and functions to call.
    function targetContracts() external view returns (address[] memory contracts) {
        contracts = new address[](1);
        contracts[0] = address(_handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory selectors) {
        selectors = new FuzzSelector[](1);
        selectors[0].addr = address(_handler);
        bytes4[] memory calls = new bytes4[](11);
        calls[0] = SystemHandler.openRequest.selector;
        calls[1] = SystemHandler.requestOnAllowance.selector;
        calls[2] = SystemHandler.settle.selector;
        calls[3] = SystemHandler.settleForged.selector;
        calls[4] = SystemHandler.decline.selector;
        calls[5] = SystemHandler.refund.selector;
        calls[6] = SystemHandler.withdraw.selector;
        calls[7] = SystemHandler.passTime.selector;
        calls[8] = SystemHandler.passDays.selector;
        calls[9] = SystemHandler.pauseOrResume.selector;
        calls[10] = SystemHandler.rekey.selector;
        selectors[0].selectors = calls;
    }

    /// @dev 1.
    function invariant_escrow_holds_deposits_and_credits() external view {
        vm.assertEq(_handler.escrowBalance(), _openDeposits() + _handler.totalCredits());
    }

    /// @dev 1.
    function invariant_registry_holds_the_bonds() external view {
        vm.assertEq(_handler.registryBalance(), _handler.totalBonds());
    }

    /// @dev 2.
    function invariant_earnings_are_the_cost_of_whole_paths() external view {
        uint256 earned = _handler.totalCredits() - _handler.requesterCredits() + _handler.withdrawnByEarners();
        vm.assertEq(earned, _handler.settledCosts());
        vm.assertEq(_handler.forgeriesAccepted(), 0);
    }

    /// @dev 3.
    function invariant_every_request_has_at_most_one_end() external view {
        for (uint256 id = 1; id <= _handler.requestCount(); ++id) {
            RequestStatus status = _handler.requestOf(id).status;
            RequestStatus end = _handler.endOf(id);
            vm.assertTrue(status == (end == RequestStatus.NONE ? RequestStatus.OPEN : end));
        }
    }

    /// @dev 6.
    function invariant_allowances_stay_within_their_quota_and_pay_nothing() external view {
        (uint256 quota, uint256 used) = _handler.allowance();
        vm.assertLe(used, quota);
        for (uint256 id = 1; id <= _handler.requestCount(); ++id) {
            if (_handler.isFree(id)) vm.assertEq(_handler.requestOf(id).deposit, 0);
        }
    }

    /// @dev 7.
    function invariant_requesters_pay_for_what_they_asked() external view {
        uint256 spent = _openDeposits() + _handler.settledCosts();
        uint256 owned = _handler.requesterBalances() + _handler.requesterCredits();
        vm.assertEq(owned + spent, _handler.requesterFunds() + _handler.penalties());
    }

    function _openDeposits() private view returns (uint256 sum) {
        for (uint256 id = 1; id <= _handler.requestCount(); ++id) {
            Request memory request = _handler.requestOf(id);
            if (request.status == RequestStatus.OPEN) sum += request.deposit;
        }
    }
}
