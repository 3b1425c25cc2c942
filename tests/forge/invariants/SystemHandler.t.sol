// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RequestStatus} from "../../../contracts/types/Request.sol";
import {ForgeTest} from "../fixtures/ForgeTest.sol";
import {SystemHandler} from "./SystemHandler.sol";

/// Given the handler of the invariants
///   when it is called in a sensible order: each action should really take effect, so that the invariants are tested
contract SystemHandlerTest is ForgeTest {
    SystemHandler private _handler;

    function setUp() external {
        _handler = new SystemHandler();
        _handler.setUp();
    }

    function test_handler__each_act_once__really_acts() external {
        _handler.openRequest(0, 1000, 500, 600, true);
        _handler.settle(0, 700, 300);
        vm.assertTrue(_handler.endOf(1) == RequestStatus.SETTLED);
        vm.assertGt(_handler.settledCosts(), 0);
        _handler.openRequest(1, 1000, 500, 600, false);
        _handler.decline(0, 1);
        vm.assertTrue(_handler.endOf(2) == RequestStatus.DECLINED);
        _handler.openRequest(2, 1000, 500, 600, true);
        _handler.passDays();
        _handler.refund(0);
        vm.assertTrue(_handler.endOf(3) == RequestStatus.REFUNDED);
        vm.assertGt(_handler.penalties(), 0);
        _handler.withdraw(2);
        vm.assertGt(_handler.withdrawnByRequesters(), 0);
        _handler.withdraw(5);
        vm.assertGt(_handler.withdrawnByEarners(), 0);
        _handler.requestOnAllowance(1000, 500, 600);
        vm.assertTrue(_handler.isFree(4));
        (, uint256 used) = _handler.allowance();
        vm.assertGt(used, 0);
        _handler.openRequest(0, 1000, 500, 600, true);
        uint256 bonds = _handler.registryBalance();
        _handler.rekey(true);
        _handler.rekey(false);
        vm.assertEq(_handler.rekeys(), 2);
        vm.assertEq(_handler.registryBalance(), bonds);
        _handler.settle(0, 700, 300);
        vm.assertTrue(_handler.endOf(5) == RequestStatus.SETTLED);
    }

    function test_settleForged__every_way__is_never_accepted() external {
        for (uint8 how = 0; how < 7; ++how) {
            _handler.openRequest(how, 1000, 500, 600, true);
            _handler.settleForged(0, how);
        }
        vm.assertEq(_handler.forgeriesAccepted(), 0);
        _handler.settle(0, 1, 1);
        vm.assertTrue(_handler.endOf(7) == RequestStatus.SETTLED);
    }
}
