// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {QuoteAssessment, QuoteClaims, TcbPolicy, VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @title IQuoteVerifier
/// @notice The port between the registry and whatever proves that a quote was made by a genuine enclave.
/// @dev It doesn't judge what runs in the enclave, nor which status is good enough: whether the measurement is wanted,
/// the report data expected and the platform's status acceptable is for the caller to decide.
interface IQuoteVerifier {
    /// @notice Checks a quote, up to the root which the verifier trusts, and returns what it says.
    /// @dev Reverts, with an error of the verifier's own, on anything which isn't valid in full, on a revoked platform,
    /// and on want of collateral. Not a view, so that a verifier may remember what it has checked already.
    /// @param quote The quote core: the quote without its certificates.
    /// @param pckId Names the PCK certificate whose key signed the quoting enclave's report,
    /// keccak256(tbsCertificate).
    /// @param policy Which collateral may be relied on.
    function verifyQuote(bytes calldata quote, bytes32 pckId, TcbPolicy calldata policy)
        external
        returns (VerifiedQuote memory verified);

    /// @notice Says how a quote which was verified before stands today. No signature is checked: the caller knows the
    /// quote by its hash, keccak256(abi.encode(claims)).
    /// @dev Doesn't revert for want of collateral: the status is then UNCHECKED.
    function assessQuote(QuoteClaims calldata claims, TcbPolicy calldata policy)
        external
        view
        returns (QuoteAssessment memory assessment);
}
