// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title ReenteringToken
/// @notice For tests: makes a call before its next transfer, and reverts if that reverts.
contract ReenteringToken is ERC20 {
    address private _target;
    bytes private _call;

    constructor(address treasury, uint256 supply) ERC20("Reentering", "RE") {
        _mint(treasury, supply);
    }

    /// @notice Sets the call.
    function arm(address target, bytes calldata call) external {
        _target = target;
        _call = call;
    }

    function _update(address from, address to, uint256 value) internal override {
        address target = _target;
        if (target != address(0)) {
            _target = address(0);
            // solhint-disable-next-line avoid-low-level-calls
            (bool success, bytes memory answer) = target.call(_call);
            if (!success) {
                assembly ("memory-safe") {
                    revert(add(answer, 32), mload(answer))
                }
            }
        }
        super._update(from, to, value);
    }
}
