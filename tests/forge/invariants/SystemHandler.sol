// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RequestId} from "../../../contracts/types/Identifiers.sol";
import {DeclineReason, Request, RequestParameters, RequestStatus} from "../../../contracts/types/Request.sol";
import {SettlementParameters} from "../../../contracts/types/Settlement.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";
import {Enclave} from "../fixtures/ShardFixture.sol";

/// @notice Acts on its own system: three requesters, two entries, replicas, reboots, the passing of time, and
/// pauses. Keeps the totals that the invariants compare with.
contract SystemHandler is RequestFixture {
    Enclave private _second;
    Enclave private _replica;
    address[3] public requesters;
    bool private _isPaused;

    // totals
    uint256 public openedDeposits;
    uint256 public settledCosts;
    uint256 public penalties;
    uint256 public withdrawnByRequesters;
    uint256 public withdrawnByEarners;
    uint256 public forgeriesAccepted;
    uint256 public rekeys;
    mapping(uint256 requestId => RequestStatus end) public endOf;
    mapping(uint256 requestId => bool isFree) public isFree;

    function setUp() public override {
        super.setUp();
        _second = _shard("second entry", 0, 3, true);
        _replica = _shard("replica", 3, LAYERS, false);
        for (uint256 i = 0; i < requesters.length; ++i) {
            requesters[i] = named(string.concat("requester ", string(abi.encodePacked(uint8(65 + i)))));
            _fund(requesters[i], REQUESTER_FUNDS);
        }
    }

    /* REQUESTS */

    function openRequest(uint256 index, uint24 inputTokens, uint16 outputTokens, uint16 window, bool both) external {
        if (_isPaused) return;
        _topUpBonds();
        address sender = requesters[index % requesters.length];
        RequestParameters memory parameters = _anyParameters(inputTokens, outputTokens, window, both);
        RequestId requestId = _open(sender, parameters);
        openedDeposits += escrow.requestOf(requestId).deposit;
    }

    function requestOnAllowance(uint24 inputTokens, uint16 outputTokens, uint16 window) external {
        if (_isPaused) return;
        _topUpBonds();
        RequestParameters memory parameters = _anyParameters(inputTokens, outputTokens, window, true);
        (uint256 quota, uint256 used) = escrow.allowanceOf(last.host, last.shardId);
        if (used + parameters.maxInputTokens + parameters.maxOutputTokens > quota) return;
        vm.prank(last.host);
        RequestId requestId = escrow.requestOnAllowance(parameters, last.shardId);
        isFree[RequestId.unwrap(requestId)] = true;
    }

    /* ENDS */

    function settle(uint256 which, uint32 inputTokens, uint32 outputTokens) external {
        (bool found, RequestId requestId, Request memory request) = _pick(which);
        if (!found || block.timestamp > request.deadline) return;
        inputTokens = uint32(bounded(inputTokens, 1, request.maxInputTokens));
        outputTokens = uint32(bounded(outputTokens, 1, request.maxOutputTokens));
        escrow.settle(_settlement(requestId, _pathFor(request), inputTokens, outputTokens));
        settledCosts += uint256(inputTokens) * request.inputPrice + uint256(outputTokens) * request.outputPrice;
        _end(requestId, RequestStatus.SETTLED);
    }

    /// @dev Invariant 2: invalidates one part of a valid settlement.
    function settleForged(uint256 which, uint8 how) external {
        (bool found, RequestId requestId, Request memory request) = _pick(which);
        if (!found || block.timestamp > request.deadline) return;
        SettlementParameters memory forged = _settlement(requestId, _pathFor(request), 1, 1);
        how = how % 7;
        if (how == 0) forged.receipts[1].r = bytes32(uint256(forged.receipts[1].r) ^ 1);
        if (how == 1) forged.receipts[0].outputCommitment = bytes32(0);
        if (how == 2) (forged.receipts[0], forged.receipts[1]) = (forged.receipts[1], forged.receipts[0]);
        if (how == 3) forged.receipts[1] = forged.receipts[0];
        if (how == 4) forged.answer = "forged";
        if (how == 5) forged.requestId = RequestId.wrap(RequestId.unwrap(requestId) + 1);
        if (how == 6) forged.outputTokens += 1;
        try escrow.settle(forged) {
            ++forgeriesAccepted;
        } catch {}
    }

    function decline(uint256 which, uint8 reason) external {
        (bool found, RequestId requestId, Request memory request) = _pick(which);
        if (!found || block.timestamp > request.deadline) return;
        vm.prank(_entryOf(request).signer);
        escrow.decline(_only(requestId), DeclineReason(reason % 5));
        _end(requestId, RequestStatus.DECLINED);
    }

    /// @dev Invariant 4: the deadline is the only condition.
    function refund(uint256 which) external {
        (bool found, RequestId requestId, Request memory request) = _pick(which);
        if (!found || block.timestamp <= request.deadline) return;
        uint256 before = _creditOf(request.requester);
        escrow.refund(requestId);
        penalties += _creditOf(request.requester) - before - request.deposit;
        _end(requestId, RequestStatus.REFUNDED);
    }

    /* MONEY */

    /// @dev Invariant 5: credit is the only condition.
    function withdraw(uint256 index) external {
        address[7] memory earners =
            [requesters[0], requesters[1], requesters[2], entry.host, last.host, treasury, royaltyRecipient];
        address account = earners[index % earners.length];
        uint256 credit = _creditOf(account);
        if (credit == 0) return;
        escrow.withdraw(account);
        if (index % earners.length < 3) withdrawnByRequesters += credit;
        else withdrawnByEarners += credit;
    }

    /* TIME AND PEOPLE */

    function passTime(uint16 time) external {
        vm.warp(block.timestamp + time % 2000);
        vm.roll(block.number + 1 + time % 100);
        // An attestation lasts a month. Shards renew it before it expires, so that paths remain.
        if (registry.shard(entry.shardId).attestedUntil < block.timestamp + 1 days) _renewAll();
    }

    function passDays() external {
        vm.warp(block.timestamp + 1 days);
        vm.roll(block.number + 43_200);
        _renewAll();
    }

    /// @dev The machine of an entry or of a replica is rebooted.
    function rekey(bool ofEntry) external {
        ++rekeys;
        vm.roll(vm.getBlockNumber() + 2); // a quote is over a block after the last attestation
        string memory name = string(abi.encodePacked("reboot ", uint8(65 + rekeys / 26), uint8(65 + rekeys % 26)));
        if (ofEntry) {
            entry = _rebooted(entry, name);
            _rekey(entry);
        } else {
            _replica = _rebooted(_replica, name);
            _rekey(_replica);
        }
    }

    function pauseOrResume() external {
        vm.prank(_isPaused ? publisher : guardian);
        if (_isPaused) escrow.unpauseRequests();
        else escrow.pauseRequests();
        _isPaused = !_isPaused;
    }

    /* BOOKS */

    function totalCredits() external view returns (uint256 sum) {
        address[9] memory accounts = [
            requesters[0],
            requesters[1],
            requesters[2],
            entry.host,
            last.host,
            _second.host,
            _replica.host,
            treasury,
            royaltyRecipient
        ];
        for (uint256 i = 0; i < accounts.length; ++i) {
            sum += _creditOf(accounts[i]);
        }
    }

    function requesterCredits() external view returns (uint256) {
        return _creditOf(requesters[0]) + _creditOf(requesters[1]) + _creditOf(requesters[2]);
    }

    function requesterBalances() external view returns (uint256) {
        return token.balanceOf(requesters[0]) + token.balanceOf(requesters[1]) + token.balanceOf(requesters[2]);
    }

    function requesterFunds() external view returns (uint256) {
        return requesters.length * REQUESTER_FUNDS;
    }

    function totalBonds() external view returns (uint256 sum) {
        Enclave[4] memory enclaves = [entry, last, _second, _replica];
        for (uint256 i = 0; i < enclaves.length; ++i) {
            sum += registry.shard(enclaves[i].shardId).bond;
        }
    }

    function allowance() external view returns (uint256 quota, uint256 used) {
        return escrow.allowanceOf(last.host, last.shardId);
    }

    function requestOf(uint256 requestId) external view returns (Request memory) {
        return escrow.requestOf(RequestId.wrap(requestId));
    }

    function requestCount() external view returns (uint256) {
        return escrow.requestCount();
    }

    function escrowBalance() external view returns (uint256) {
        return token.balanceOf(address(escrow));
    }

    function registryBalance() external view returns (uint256) {
        return token.balanceOf(address(registry));
    }

    /* HELP */

    function _anyParameters(uint24 inputTokens, uint16 outputTokens, uint16 window, bool both)
        private
        view
        returns (RequestParameters memory parameters)
    {
        parameters = both ? _withRecipients(entry.shardId, _second.shardId) : _parameters();
        parameters.maxInputTokens = uint24(bounded(inputTokens, 1, CONTEXT_LENGTH / 2));
        parameters.maxOutputTokens = uint16(bounded(outputTokens, 1, CONTEXT_LENGTH / 2));
        parameters.deadline = uint40(block.timestamp + bounded(window, MIN_WINDOW, MAX_WINDOW));
        parameters.maxDeposit = type(uint96).max;
    }

    /// @dev An open request among the last ones.
    function _pick(uint256 which) private view returns (bool found, RequestId requestId, Request memory picked) {
        uint256 count = escrow.requestCount();
        for (uint256 i = 0; i < 8 && i < count; ++i) {
            requestId = RequestId.wrap(count - (which % 8 + i) % (count < 8 ? count : 8));
            picked = escrow.requestOf(requestId);
            if (picked.status == RequestStatus.OPEN) return (true, requestId, picked);
        }
    }

    function _entryOf(Request memory picked) private view returns (Enclave memory) {
        return picked.recipients[0] == entry.shardId ? entry : _second;
    }

    /// @dev Requests of even ids run over the second entry, if it is a recipient.
    function _pathFor(Request memory picked) private view returns (Enclave[] memory) {
        bool takeover = picked.recipients.length == 2 && picked.openedAt % 2 == 0;
        return takeover ? _pathOf(_second, _replica) : _path();
    }

    function _end(RequestId requestId, RequestStatus end) private {
        require(endOf[RequestId.unwrap(requestId)] == RequestStatus.NONE, "a second end");
        endOf[RequestId.unwrap(requestId)] = end;
    }

    /// @dev A shard needs a whole bond to be a recipient.
    function _topUpBonds() private {
        uint80 missing = BOND - registry.shard(entry.shardId).bond;
        if (missing == 0) return;
        if (token.balanceOf(entry.host) < missing) _fund(entry.host, BOND);
        vm.prank(entry.host);
        registry.topUpBond(entry.shardId, missing);
    }

    function _renewAll() private {
        _renew(entry);
        _renew(last);
        _renew(_second);
        _renew(_replica);
    }
}
