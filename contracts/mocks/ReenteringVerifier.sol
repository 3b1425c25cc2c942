// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @title ReenteringVerifier
/// @notice For tests: makes a call first, and reverts if that reverts; then returns an ABI-encoded VerifiedQuote.
contract ReenteringVerifier is IQuoteVerifier {
    address private _target;
    bytes private _call;

    /// @notice Sets the call.
    function arm(address target, bytes calldata call) external {
        _target = target;
        _call = call;
    }

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata quote, bytes32, TcbPolicy calldata) external returns (VerifiedQuote memory) {
        // solhint-disable-next-line avoid-low-level-calls
        (bool success, bytes memory answer) = _target.call(_call);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        return abi.decode(quote, (VerifiedQuote));
    }

    /// @inheritdoc IQuoteVerifier
    function assessQuote(QuoteClaims calldata, TcbPolicy calldata)
        external
        pure
        returns (QuoteAssessment memory assessment)
    {
        // all zero: UNCHECKED
    }
}
