// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {QuoteAssessment, QuoteClaims, TcbPolicy, VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @title IQuoteVerifier
/// @notice The port through which the registry has quotes verified: whether a genuine enclave made a quote, what the
/// quote states, and how well its platform is patched.
/// @dev A verifier does not decide what is acceptable. Whether the measurement is allowed, the report data expected and
/// the platform's status good enough is for the caller to decide.
interface IQuoteVerifier {
    /// @notice Verifies a quote up to the root that the verifier trusts, and returns what it states. Anyone may call.
    /// @dev Reverts, with an error of the verifier, if any part is invalid, if the platform is revoked, or if
    /// collateral is missing. Not a view, so that a verifier may store what it has verified.
    /// @param quote The quote core: the quote without its certificates.
    /// @param pckId Names the PCK certificate whose key signed the quoting enclave's report:
    /// keccak256(tbsCertificate).
    /// @param policy Which collateral to rely on.
    function verifyQuote(bytes calldata quote, bytes32 pckId, TcbPolicy calldata policy)
        external
        returns (VerifiedQuote memory verified);

    /// @notice Assesses a quote that was verified before by the collateral of today. Checks no signature: the caller
    /// must know the hash of a verified quote, keccak256(abi.encode(claims)), and compare.
    /// @dev Does not revert if collateral is missing: the status is then UNCHECKED.
    /// @param policy Which collateral to rely on.
    function assessQuote(QuoteClaims calldata claims, TcbPolicy calldata policy)
        external
        view
        returns (QuoteAssessment memory assessment);
}
