// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IShardRegistry} from "./IShardRegistry.sol";

/// @title IEscrowParameters
/// @notice The values that an escrow is deployed with. None of them ever changes.
/// @dev The errors revert the constructor; no later call raises them.
interface IEscrowParameters {
    /// @notice The treasury is the zero address.
    error ZeroAddress();

    /// @notice The fee exceeds the maximum. Both in 1/10000 of a request's cost.
    error FeeTooHigh(uint256 feeBps, uint256 max);

    /// @notice The shortest window is zero or longer than the longest one. Both in seconds.
    error WindowsInvalid(uint256 minWindow, uint256 maxWindow);

    /// @notice The registry may release a bond before the last deadline that it backs has passed. Both in seconds.
    error UnbondingTooShort(uint256 unbondingPeriod, uint256 maxWindow);

    /// @notice The token's supply does not fit into the 96 bits of a credit. Both in token wei.
    error SupplyTooLarge(uint256 supply, uint256 max);

    /// @notice The registry's bonds, from which penalties are paid, are in another token.
    error OtherToken(address token, address registryToken);

    /// @notice The token that deposits, credits and penalties are in.
    function TOKEN() external view returns (IERC20);

    /// @notice The registry whose shards serve requests, and whose bonds pay penalties.
    function REGISTRY() external view returns (IShardRegistry);

    /// @notice The account that is credited with the fee of each request. It withdraws like any other.
    function TREASURY() external view returns (address);

    /// @notice The fee, in 1/10000 of a request's cost. What rounding leaves of the hosts' shares is added to it.
    function FEE_BPS() external view returns (uint16);

    /// @notice Token wei that the primary's bond pays to the requester when a request ends without an answer.
    /// @dev An upper bound: a bond that holds less pays what it holds. Zero: there are no penalties.
    function PENALTY() external view returns (uint96);

    /// @notice The shortest time between a request and its deadline, in seconds. Never zero.
    function MIN_WINDOW() external view returns (uint16);

    /// @notice The longest time between a request and its deadline, in seconds. Shorter than the registry's unbonding
    /// period.
    function MAX_WINDOW() external view returns (uint16);

    /// @notice The maximum size of an envelope, and of an answer, in bytes.
    function MAX_ENVELOPE_BYTES() external view returns (uint32);

    /// @notice LLM tokens per UTC day that the host of a whole model may use without paying.
    /// @dev The host of some layers gets them in proportion, rounded down. Zero: only what was served counts.
    function DAILY_TOKENS() external view returns (uint64);

    /// @notice Share of all LLM tokens ever served that is added to each day's quota, in 1/10000.
    /// @dev A token counts once per whole model: serving half of the layers counts half.
    function SERVED_BPS() external view returns (uint16);

    /// @notice The maximum quota, in LLM tokens per UTC day. Zero: there is no allowance.
    function MAX_DAILY_TOKENS() external view returns (uint64);
}
