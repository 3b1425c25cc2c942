// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrowAccounts} from "../../../contracts/interfaces/IEscrowAccounts.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";

/// Given a settled request
///   when anyone withdraws for a host: its payout address should get the whole credit
///   when anyone withdraws for an account that never enrolled a shard: the account itself should get it
///   when requests are paused: it should still work
///   when there is no credit: it should be refused
contract WithdrawTest is RequestFixture {
    function setUp() public override {
        super.setUp();
        escrow.settle(_settlement(_open()));
    }

    function test_withdraw__of_a_host__pays_its_payout_address() external {
        address payout = registry.payoutOf(entry.host);
        uint256 credit = _creditOf(entry.host);
        vm.expectEmit(address(escrow));
        emit IEscrowAccounts.Withdrawn(entry.host, payout, credit);
        vm.prank(stranger);
        escrow.withdraw(entry.host);
        vm.assertEq(token.balanceOf(payout), credit);
        vm.assertEq(_creditOf(entry.host), 0);
        vm.assertGt(escrow.accountOf(entry.host).servedLayerTokens, 0);
    }

    function test_withdraw__payout_changed__pays_the_new_address() external {
        address payout = registry.payoutOf(entry.host);
        vm.prank(payout);
        registry.setPayout(entry.host, stranger);
        uint256 credit = _creditOf(entry.host);
        escrow.withdraw(entry.host);
        vm.assertEq(token.balanceOf(stranger), credit);
    }

    function test_withdraw__of_the_requester__pays_the_requester() external {
        uint256 credit = _creditOf(requester);
        uint256 balance = token.balanceOf(requester);
        vm.prank(stranger);
        escrow.withdraw(requester);
        vm.assertEq(token.balanceOf(requester), balance + credit);
    }

    function test_withdraw__of_all_accounts__empties_the_escrow() external {
        vm.prank(guardian);
        escrow.pauseRequests();
        escrow.withdraw(entry.host);
        escrow.withdraw(last.host);
        escrow.withdraw(treasury);
        escrow.withdraw(royaltyRecipient);
        escrow.withdraw(requester);
        vm.assertEq(token.balanceOf(address(escrow)), 0);
    }

    function test_withdraw__nothing__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IEscrowAccounts.NothingToWithdraw.selector, stranger));
        escrow.withdraw(stranger);
    }
}
