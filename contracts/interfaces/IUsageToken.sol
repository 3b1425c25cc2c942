// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @title IUsageToken
/// @notice What the usage token adds to ERC-20, ERC-2612 (permit) and ERC-3009 (transfer with authorization): a faucet
/// for test networks.
interface IUsageToken {
    /// @notice There is no faucet: its amount or its interval is zero.
    error FaucetOff();

    /// @notice `account` has claimed recently and can claim again at `nextClaimAt` (Unix seconds).
    error FaucetTooSoon(address account, uint256 nextClaimAt);

    /// @notice The faucet holds `left` token wei, less than one claim.
    error FaucetEmpty(uint256 left);

    /// @notice The faucet's reserve exceeds the whole supply. In token wei; reverts the constructor.
    error FaucetReserveAboveCap(uint256 faucetReserve, uint256 cap);

    /// @notice `account` claimed `amount` token wei from the faucet.
    event FaucetClaimed(address indexed account, uint256 amount);

    /// @notice Pays the caller one claim from the faucet's reserve. Anyone may call, once per interval.
    /// @dev Reverts with {FaucetOff}, {FaucetTooSoon} or {FaucetEmpty}.
    function claim() external;

    /// @notice Token wei per claim; zero: there is no faucet.
    function FAUCET_AMOUNT() external view returns (uint256);

    /// @notice Seconds between two claims of one account; zero: there is no faucet.
    function FAUCET_INTERVAL() external view returns (uint256);

    /// @notice When `account` can claim next (Unix seconds); zero: it has never claimed.
    function nextClaimAt(address account) external view returns (uint256);
}
