// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import {IUsageToken} from "./interfaces/IUsageToken.sol";

/// @title UsageToken
/// @notice The token that requests are paid in.
/// @dev The whole supply is minted at deployment. There is no owner and no way to mint, burn, pause or freeze.
contract UsageToken is ERC20, ERC20Permit, ERC3009, IUsageToken {
    /// @inheritdoc IUsageToken
    uint256 public immutable FAUCET_AMOUNT;

    /// @inheritdoc IUsageToken
    uint256 public immutable FAUCET_INTERVAL;

    mapping(address account => uint256 time) private _nextClaimAt;

    /// @param treasury Receives the supply, less the faucet's reserve.
    /// @param cap The whole supply, in token wei.
    /// @param faucetReserve Token wei that this contract keeps for claims.
    /// @param faucetAmount Token wei per claim; zero: there is no faucet.
    /// @param faucetInterval Seconds between two claims of one account; zero: there is no faucet.
    constructor(address treasury, uint256 cap, uint256 faucetReserve, uint256 faucetAmount, uint256 faucetInterval)
        ERC20("TeeTee", "TEE")
        ERC20Permit("TeeTee")
    {
        if (faucetReserve > cap) revert FaucetReserveAboveCap(faucetReserve, cap);
        FAUCET_AMOUNT = faucetAmount;
        FAUCET_INTERVAL = faucetInterval;
        _mint(treasury, cap - faucetReserve);
        if (faucetReserve != 0) _mint(address(this), faucetReserve);
    }

    /// @inheritdoc IUsageToken
    function claim() external {
        // Check:
        if (FAUCET_AMOUNT == 0 || FAUCET_INTERVAL == 0) revert FaucetOff();
        uint256 next = _nextClaimAt[msg.sender];
        if (block.timestamp < next) revert FaucetTooSoon(msg.sender, next);
        uint256 left = balanceOf(address(this));
        if (left < FAUCET_AMOUNT) revert FaucetEmpty(left);
        // Effect:
        _nextClaimAt[msg.sender] = block.timestamp + FAUCET_INTERVAL;
        emit FaucetClaimed(msg.sender, FAUCET_AMOUNT);
        _transfer(address(this), msg.sender, FAUCET_AMOUNT);
    }

    /// @inheritdoc IUsageToken
    function nextClaimAt(address account) external view returns (uint256) {
        return _nextClaimAt[account];
    }
}
