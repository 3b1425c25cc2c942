// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IInferenceEscrow} from "../interfaces/IInferenceEscrow.sol";
import {IShardRegistry} from "../interfaces/IShardRegistry.sol";

/// @notice What an escrow is deployed with; none of it ever changes.
struct EscrowParameters {
    IERC20 token;
    IShardRegistry registry;
    address treasury;
    // Of the cost of each request, in 1/10000.
    uint16 feeBps;
    // Token wei from the primary's bond when a deadline passes in silence.
    uint96 penalty;
    // Seconds between a request and its deadline.
    uint16 minWindow;
    uint16 maxWindow;
    uint32 maxEnvelopeBytes;
    // The three numbers of the host allowance; see IEscrowAccounts.
    uint64 dailyTokens;
    uint16 servedBps;
    uint64 maxDailyTokens;
}

/// @title EscrowTerms
/// @notice The conditions on which the escrow works, fixed at deployment.
abstract contract EscrowTerms is IInferenceEscrow {
    /// @notice 30 %; with the highest royalty, 50 %, hosts still get a fifth.
    uint256 public constant MAX_FEE_BPS = 3000;

    /// @inheritdoc IInferenceEscrow
    IERC20 public immutable TOKEN;

    /// @inheritdoc IInferenceEscrow
    IShardRegistry public immutable REGISTRY;

    /// @inheritdoc IInferenceEscrow
    address public immutable TREASURY;

    /// @inheritdoc IInferenceEscrow
    uint16 public immutable FEE_BPS;

    /// @inheritdoc IInferenceEscrow
    uint96 public immutable PENALTY;

    /// @inheritdoc IInferenceEscrow
    uint16 public immutable MIN_WINDOW;

    /// @inheritdoc IInferenceEscrow
    uint16 public immutable MAX_WINDOW;

    /// @inheritdoc IInferenceEscrow
    uint32 public immutable MAX_ENVELOPE_BYTES;

    constructor(EscrowParameters memory terms) {
        if (terms.treasury == address(0)) revert ZeroAddress();
        if (terms.feeBps > MAX_FEE_BPS) revert FeeTooHigh(terms.feeBps, MAX_FEE_BPS);
        if (terms.minWindow == 0 || terms.minWindow > terms.maxWindow) {
            revert WindowsInvalid(terms.minWindow, terms.maxWindow);
        }
        TOKEN = terms.token;
        REGISTRY = terms.registry;
        TREASURY = terms.treasury;
        FEE_BPS = terms.feeBps;
        PENALTY = terms.penalty;
        MIN_WINDOW = terms.minWindow;
        MAX_WINDOW = terms.maxWindow;
        MAX_ENVELOPE_BYTES = terms.maxEnvelopeBytes;
        _checkPartners(terms);
    }

    /// @dev Penalties are in the registry's token and still there when the last deadline has passed; no credit
    /// overflows.
    function _checkPartners(EscrowParameters memory terms) private view {
        IShardRegistry registry = terms.registry;
        address registryToken = address(registry.TOKEN());
        if (registryToken != address(terms.token)) revert OtherToken(address(terms.token), registryToken);
        uint256 unbondingPeriod = registry.UNBONDING_PERIOD();
        if (unbondingPeriod <= terms.maxWindow) revert UnbondingTooShort(unbondingPeriod, terms.maxWindow);
        uint256 supply = terms.token.totalSupply();
        if (supply > type(uint96).max) revert SupplyTooLarge(supply, type(uint96).max);
    }
}
