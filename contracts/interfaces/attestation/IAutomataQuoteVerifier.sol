// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {IAutomataRouter} from "./IAutomataRouter.sol";

/// @title IAutomataQuoteVerifier
/// @notice The functions of Automata's V4QuoteVerifier and V5QuoteVerifier that are called here. Source: see
/// {IAutomataDcap}.
interface IAutomataQuoteVerifier {
    /// @notice The router that the verifier reads collateral from.
    function pccsRouter() external view returns (IAutomataRouter);
}
