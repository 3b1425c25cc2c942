// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {IAutomataQuoteVerifier} from "./IAutomataQuoteVerifier.sol";

/// @title IAutomataDcap
/// @notice The functions of Automata's AutomataDcapAttestationFee (version 1.1) that are called here.
/// @dev Source: github.com/automata-network/automata-dcap-attestation, commit 2df31aa.
interface IAutomataDcap {
    /// @notice The contract charges a fee, and the call sent no value.
    error Insufficient_Funds();

    /// @notice Verifies a quote, and publishes the result in an event of its own.
    /// @param rawQuote The whole quote, including certificates.
    /// @param tcbEvaluationDataNumber Which of Intel's sets to use; zero: the standard one.
    /// @return success Whether signatures, certificates and collateral hold. NOT whether the platform is up to date.
    /// @return output Quote version 2 ‖ body type 2 ‖ TCB status 1 ‖ FMSPC 6 ‖ TD report ‖ advisories (big-endian); if
    /// the quote is refused, an abbreviation of the reason.
    function verifyAndAttestOnChain(bytes calldata rawQuote, uint32 tcbEvaluationDataNumber)
        external
        payable
        returns (bool success, bytes memory output);

    /// @notice The contract that verifies quotes of a version.
    function quoteVerifiers(uint16 quoteVersion) external view returns (IAutomataQuoteVerifier);
}
