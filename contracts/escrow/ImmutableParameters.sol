// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IEscrowParameters} from "../interfaces/IEscrowParameters.sol";
import {IInferenceEscrow} from "../interfaces/IInferenceEscrow.sol";
import {IShardRegistry} from "../interfaces/IShardRegistry.sol";

/// @notice The constructor's arguments; each is documented at the getter of its name in {IEscrowParameters}. A struct,
/// because eleven arguments do not fit on one stack.
struct EscrowParameters {
    IERC20 token;
    IShardRegistry registry;
    address treasury;
    // in 1/10000 of a request's cost
    uint16 feeBps;
    // token wei; 96 bits, as a credit has
    uint96 penalty;
    // seconds, as is maxWindow; 16 bits hold 18 hours
    uint16 minWindow;
    uint16 maxWindow;
    uint32 maxEnvelopeBytes;
    // LLM tokens, as is maxDailyTokens
    uint64 dailyTokens;
    // in 1/10000 of the tokens ever served
    uint16 servedBps;
    uint64 maxDailyTokens;
}

/// @title ImmutableParameters
/// @notice Checks the values that the escrow is deployed with, and keeps them in its code.
/// @dev They are immutables, so reading one costs no storage access. Changing one means deploying another escrow and
/// another registry, since a registry is bound to its escrow forever.
abstract contract ImmutableParameters is IInferenceEscrow {
    /// @notice 30 %. Together with the maximum royalty of 50 %, hosts still get a fifth of the cost.
    uint256 public constant MAX_FEE_BPS = 3000;

    /// @inheritdoc IEscrowParameters
    IERC20 public immutable TOKEN;

    /// @inheritdoc IEscrowParameters
    IShardRegistry public immutable REGISTRY;

    /// @inheritdoc IEscrowParameters
    address public immutable TREASURY;

    /// @inheritdoc IEscrowParameters
    uint16 public immutable FEE_BPS;

    /// @inheritdoc IEscrowParameters
    uint96 public immutable PENALTY;

    /// @inheritdoc IEscrowParameters
    uint16 public immutable MIN_WINDOW;

    /// @inheritdoc IEscrowParameters
    uint16 public immutable MAX_WINDOW;

    /// @inheritdoc IEscrowParameters
    uint32 public immutable MAX_ENVELOPE_BYTES;

    /// @inheritdoc IEscrowParameters
    uint64 public immutable DAILY_TOKENS;

    /// @inheritdoc IEscrowParameters
    uint16 public immutable SERVED_BPS;

    /// @inheritdoc IEscrowParameters
    uint64 public immutable MAX_DAILY_TOKENS;

    /// @dev The registry must exist already; it is bound to this escrow afterwards.
    ///
    /// The allowance's numbers need no check: each may be zero, and MAX_DAILY_TOKENS bounds every quota.
    constructor(EscrowParameters memory parameters) {
        if (parameters.treasury == address(0)) revert ZeroAddress();
        if (parameters.feeBps > MAX_FEE_BPS) revert FeeTooHigh(parameters.feeBps, MAX_FEE_BPS);
        if (parameters.minWindow == 0 || parameters.minWindow > parameters.maxWindow) {
            revert WindowsInvalid(parameters.minWindow, parameters.maxWindow);
        }
        TOKEN = parameters.token;
        REGISTRY = parameters.registry;
        TREASURY = parameters.treasury;
        FEE_BPS = parameters.feeBps;
        PENALTY = parameters.penalty;
        MIN_WINDOW = parameters.minWindow;
        MAX_WINDOW = parameters.maxWindow;
        MAX_ENVELOPE_BYTES = parameters.maxEnvelopeBytes;
        DAILY_TOKENS = parameters.dailyTokens;
        SERVED_BPS = parameters.servedBps;
        MAX_DAILY_TOKENS = parameters.maxDailyTokens;
        _checkRegistryAndToken(parameters);
    }

    /// @dev The registry's token and period are immutable, and the token cannot be minted, so what holds now holds
    /// forever: penalties are in the escrow's token; a bond cannot be withdrawn before the deadline of a request that
    /// its shard was chosen for; and no credit overflows its 96 bits.
    function _checkRegistryAndToken(EscrowParameters memory parameters) private view {
        IShardRegistry registry = parameters.registry;
        address registryToken = address(registry.TOKEN());
        if (registryToken != address(parameters.token)) revert OtherToken(address(parameters.token), registryToken);
        uint256 unbondingPeriod = registry.UNBONDING_PERIOD();
        if (unbondingPeriod <= parameters.maxWindow) revert UnbondingTooShort(unbondingPeriod, parameters.maxWindow);
        uint256 supply = parameters.token.totalSupply();
        if (supply > type(uint96).max) revert SupplyTooLarge(supply, type(uint96).max);
    }
}
