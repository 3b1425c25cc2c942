// SPDX-License-Identifier: UNLICENSED
pragma solidity >=0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {TcbStatus} from "../types/VerifiedQuote.sol";
import {IPckCertificates} from "./IPckCertificates.sol";

/// @notice The one function of Automata's AutomataDcapAttestationFee (version 1.1) that is called.
/// Source: github.com/automata-network/automata-dcap-attestation, commit 2df31aa.
interface IAutomataDcap {
    /// @param rawQuote The whole quote, certificates included.
    /// @param tcbEvaluationDataNumber Which of Intel's sets; zero: the standard one.
    /// @return success Whether signatures, certificates and collateral hold. NOT whether the platform is up to date.
    /// @return output Quote version 2 ‖ body type 2 ‖ TCB status 1 ‖ FMSPC 6 ‖ TD report ‖ advisories (big-endian); or
    /// why it was refused, in a few letters.
    function verifyAndAttestOnChain(bytes calldata rawQuote, uint32 tcbEvaluationDataNumber)
        external
        payable
        returns (bool success, bytes memory output);
}

/// @title IAutomataVerifier
/// @notice Quotes judged by Automata's DCAP contract and its collateral, behind the same port as ours.
/// @dev What needs no collateral is checked here as well (signatures, the TD's protection, the machine's certificate):
/// Automata decides about revocation and TCB alone. A `quote` is the quote core followed by the PEM chain which the
/// quote came with, since Automata's contract takes nothing else.
///
/// What Automata last said of a quote is remembered by evaluation number: {assessQuote} repeats it, and anyone has it
/// said anew by {judge}. A refusal doesn't tell stale collateral from a revoked certificate, so it changes nothing;
/// only "TCB revoked or missing" does. A revoked certificate therefore puts a shard out no sooner than its attestation
/// ends, and no later: that is what our own verifier is better at. Trusted beside Intel: whoever owns Automata's
/// contracts.
interface IAutomataVerifier is IQuoteVerifier {
    /// @notice Automata's contract judged a quote. An evaluation number of zero stands for Intel's standard set.
    event QuoteJudged(bytes32 indexed quoteHash, uint256 indexed evaluationNumber, TcbStatus status);

    /// @notice There is no contract at that address.
    error AutomataMissing(address automata);
    /// @notice Automata's contract refused the quote, for that reason of its own.
    error AutomataRefused(string reason);
    /// @notice What Automata's contract said isn't about this quote, or isn't of the form of its version 1.1.
    error AutomataOutputUnexpected(bytes output);
    /// @notice Automata doesn't say when collateral was issued, so no policy can ask for its age here.
    error CollateralAgeUnknown(uint256 maxCollateralAge);
    /// @notice The certificates behind the core are missing, or longer than {MAX_CHAIN_BYTES}.
    error CertificateChainLengthInvalid(uint256 length, uint256 max);
    /// @notice This quote was never accepted here.
    error QuoteUnknown(bytes32 quoteHash);

    /// @notice Has Automata's contract judge a quote that was accepted before, and remembers its verdict, a bad one
    /// too. By anyone.
    /// @param quote Core and PEM chain.
    /// @param pckId See {verifyQuote}.
    /// @param evaluationNumber Which of Intel's sets; zero: the standard one.
    /// @return status What is remembered now.
    function judge(bytes calldata quote, bytes32 pckId, uint16 evaluationNumber) external returns (TcbStatus status);

    /// @notice Automata's contract.
    function AUTOMATA() external view returns (IAutomataDcap);

    /// @notice Where the PCK certificates are.
    function certificates() external view returns (IPckCertificates);
}
