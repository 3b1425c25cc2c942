// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {IAutomataRouter} from "./IAutomataRouter.sol";

/// @title IAutomataQuoteVerifier
/// @notice What is called of Automata's V4QuoteVerifier and V5QuoteVerifier. Source: see {IAutomataDcap}.
interface IAutomataQuoteVerifier {
    /// @notice Where it has its collateral from.
    function pccsRouter() external view returns (IAutomataRouter);
}
