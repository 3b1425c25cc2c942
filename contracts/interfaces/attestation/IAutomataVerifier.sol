// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {TcbStatus} from "../../types/VerifiedQuote.sol";
import {IQuoteVerifier} from "../IQuoteVerifier.sol";
import {IAutomataDcap} from "./IAutomataDcap.sol";
import {IPckCertificates} from "./IPckCertificates.sol";

/// @title IAutomataVerifier
/// @notice Has Automata's DCAP contract verify quotes with Automata's collateral, behind the same port as
/// {IDcapVerifier}.
/// @dev Everything that needs no collateral is checked here too (signatures, the TD's protection, the machine's
/// certificate); Automata only decides about revocation and TCB. A `quote` is the quote core followed by its PEM chain,
/// because Automata's contract accepts only whole quotes.
///
/// Automata's latest verdict on a quote is stored per evaluation number: {assessQuote} returns it, and anyone can renew
/// it with {judge}. A policy's minimum evaluation number is here the exact number to use; zero: the standard set.
///
/// A refusal does not distinguish stale collateral from a revoked certificate, so it changes nothing. The only
/// exception is "TCB revoked or missing": Automata also reports it for stale TCB info, so it counts only while
/// Automata's router has TCB info in force. A revoked certificate therefore keeps a shard from renewing, but does not
/// evict it before its attestation expires; {IDcapVerifier} does better. Trusted in addition to Intel: the owners of
/// Automata's contracts.
///
/// No fee is paid: if Automata starts to charge one, it refuses all quotes from here, and shards stay until their
/// attestation expires.
interface IAutomataVerifier is IQuoteVerifier {
    /// @notice Automata's contract returned a verdict on a quote. Evaluation number zero is Intel's standard set.
    event QuoteJudged(bytes32 indexed quoteHash, uint256 indexed evaluationNumber, TcbStatus status);

    /// @notice There is no contract at the address given to the constructor.
    error AutomataMissing(address automata);
    /// @notice Automata's contract refused the quote; the reason is in Automata's words.
    error AutomataRefused(string reason);
    /// @notice The output of Automata's contract is about another quote, or not in the format of its version 1.1.
    error AutomataOutputUnexpected(bytes output);
    /// @notice The policy limits the age of collateral (seconds), but Automata does not report when it was issued.
    error CollateralAgeUnknown(uint256 maxCollateralAge);
    /// @notice The PEM chain after the core is missing, or longer than `max` bytes.
    error CertificateChainLengthInvalid(uint256 length, uint256 max);
    /// @notice This verifier has never accepted the quote.
    error QuoteUnknown(bytes32 quoteHash);

    /// @notice Has Automata's contract verify a quote again that was accepted before, and stores the verdict, also a
    /// bad one. Anyone may call.
    /// @dev Reverts with {QuoteUnknown}, {AutomataRefused} or {CertificateChainLengthInvalid}, as {verifyQuote} reverts
    /// for an invalid quote, or as Automata's contracts revert.
    /// @param quote Core and PEM chain.
    /// @param pckId See {verifyQuote}.
    /// @param evaluationNumber Which of Intel's sets to use; zero: the standard one.
    /// @return status What is stored now.
    function judge(bytes calldata quote, bytes32 pckId, uint16 evaluationNumber) external returns (TcbStatus status);

    /// @notice Automata's contract.
    function AUTOMATA() external view returns (IAutomataDcap);

    /// @notice The store of PCK certificates.
    function certificates() external view returns (IPckCertificates);
}
