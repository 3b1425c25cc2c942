// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {IAutomataQuoteVerifier} from "./IAutomataQuoteVerifier.sol";

/// @title IAutomataDcap
/// @notice What is called of Automata's AutomataDcapAttestationFee (version 1.1).
/// @dev Source: github.com/automata-network/automata-dcap-attestation, commit 2df31aa.
interface IAutomataDcap {
    /// @notice It charges a fee by now, and nothing was sent with the call.
    error Insufficient_Funds();

    /// @param rawQuote The whole quote, certificates included.
    /// @param tcbEvaluationDataNumber Which of Intel's sets; zero: the standard one.
    /// @return success Whether signatures, certificates and collateral hold. NOT whether the platform is up to date.
    /// @return output Quote version 2 ‖ body type 2 ‖ TCB status 1 ‖ FMSPC 6 ‖ TD report ‖ advisories (big-endian); or
    /// why it was refused, in a few letters.
    function verifyAndAttestOnChain(bytes calldata rawQuote, uint32 tcbEvaluationDataNumber)
        external
        payable
        returns (bool success, bytes memory output);

    /// @notice Who judges quotes of a version.
    function quoteVerifiers(uint16 quoteVersion) external view returns (IAutomataQuoteVerifier);
}
