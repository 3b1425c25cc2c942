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

    /// @dev All in one function: for each `invariant_` function, forge plays the same calls again.
    function invariant_readme__every_number_holds() external view {
        uint256 openDeposits = _checkRequests();
        uint256 totalCredits = _handler.totalCredits();
        uint256 requesterCredits = _handler.requesterCredits();
        uint256 settledCosts = _handler.settledCosts();

        vm.assertEq(_handler.escrowBalance(), openDeposits + totalCredits, "1: the escrow's tokens");
        vm.assertEq(_handler.registryBalance(), _handler.totalBonds(), "1: the registry's tokens");

        uint256 earned = totalCredits - requesterCredits + _handler.withdrawnByEarners();
        vm.assertEq(earned, settledCosts, "2: earnings are the cost of whole paths");
        vm.assertEq(_handler.forgeriesAccepted(), 0, "2: forgeries");

        (uint256 quota, uint256 used) = _handler.allowance();
        vm.assertLe(used, quota, "6: the allowance's quota");

        uint256 owned = _handler.requesterBalances() + requesterCredits;
        uint256 funds = _handler.requesterFunds() + _handler.penalties();
        vm.assertEq(owned + openDeposits + settledCosts, funds, "7: requesters pay for what they asked");
    }

    /// @dev 3 and 6. Returns the sum of all open deposits.
    function _checkRequests() private view returns (uint256 openDeposits) {
        uint256 count = _handler.requestCount();
        for (uint256 id = 1; id <= count; ++id) {
            Request memory request = _handler.requestOf(id);
            RequestStatus end = _handler.endOf(id);
            RequestStatus expected = end == RequestStatus.NONE ? RequestStatus.OPEN : end;
            vm.assertTrue(request.status == expected, "3: at most one end");
            if (request.status == RequestStatus.OPEN) openDeposits += request.deposit;
            if (_handler.isFree(id)) vm.assertEq(request.deposit, 0, "6: an allowance pays nothing");
        }
    }
}
