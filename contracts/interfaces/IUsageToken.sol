// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @title IUsageToken
/// @notice What the usage token adds to ERC-20, ERC-2612 (permit) and ERC-3009 (transfer with authorization): on test
/// networks anyone can claim some of it.
interface IUsageToken {
    /// @notice The faucet is switched off: its amount or its interval is zero.
    error FaucetOff();

    /// @notice `account` has claimed already and can claim again at `nextClaimAt` (Unix seconds).
    error FaucetTooSoon(address account, uint256 nextClaimAt);

    /// @notice The faucet holds `left`, which is less than one claim.
    error FaucetEmpty(uint256 left);

    /// @notice More is set aside for the faucet than the whole supply.
    error FaucetReserveAboveCap(uint256 faucetReserve, uint256 cap);

    /// @notice `account` took `amount` from the faucet.
    event FaucetClaimed(address indexed account, uint256 amount);

    /// @notice Pays the caller one claim from the faucet's reserve, once per interval.
    function claim() external;

    /// @notice Token wei per claim; zero: no faucet.
    function FAUCET_AMOUNT() external view returns (uint256);

    /// @notice Seconds between two claims of one account; zero: no faucet.
    function FAUCET_INTERVAL() external view returns (uint256);

    /// @notice When `account` can claim next (Unix seconds); zero: it never claimed.
    function nextClaimAt(address account) external view returns (uint256);
}
