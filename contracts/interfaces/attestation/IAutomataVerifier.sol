// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {TcbStatus} from "../../types/VerifiedQuote.sol";
import {IQuoteVerifier} from "../IQuoteVerifier.sol";
import {IAutomataDcap} from "./IAutomataDcap.sol";
import {IPckCertificates} from "./IPckCertificates.sol";

/// @title IAutomataVerifier
/// @notice Quotes judged by Automata's DCAP contract and its collateral, behind the same port as ours.
/// @dev What needs no collateral is checked here as well (signatures, the TD's protection, the machine's certificate):
/// Automata decides about revocation and TCB alone. A `quote` is the quote core followed by the PEM chain which the
/// quote came with, since Automata's contract takes nothing else.
///
/// What Automata last said of a quote is remembered by evaluation number: {assessQuote} repeats it, and anyone has it
/// said anew by {judge}. A policy's minimum evaluation number is the very set that counts here; zero: the standard one.
///
/// A refusal doesn't tell stale collateral from a revoked certificate, so it changes nothing. The one exception is
/// "TCB revoked or missing": Automata says that of stale TCB info too, so it counts only while Automata's router shows
/// TCB info in force. A revoked certificate therefore keeps a shard from renewing, but puts it out no sooner than its
/// attestation ends: our own verifier is better at that. Trusted beside Intel: whoever owns Automata's contracts.
///
/// Nothing is paid: should Automata charge its fee, it accepts no quotes from here any more, and shards stay until
/// their attestation ends.
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
