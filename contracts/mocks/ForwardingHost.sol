// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title ForwardingHost
/// @notice For tests: a host that is a contract. It makes calls that it was given before, so their arguments are in the
/// calldata of no transaction that makes them.
contract ForwardingHost {
    bytes private _call;

    /// @notice Keeps a call for {forward}.
    function keep(bytes calldata call) external {
        _call = call;
    }

    /// @notice Makes the call. Reverts as it reverts.
    function forward(address target) external {
        // solhint-disable-next-line avoid-low-level-calls
        (bool success, bytes memory answer) = target.call(_call);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}
