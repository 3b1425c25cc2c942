// SPDX-License-Identifier: UNLICENSED
pragma solidity >=0.8.37;

import {VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @title IQuoteVerifier
/// @notice The port between the registry and whatever proves that a quote was made by a genuine enclave.
/// @dev It doesn't judge what runs in the enclave: whether the measurement is wanted and the report data expected is
/// for the caller to decide.
interface IQuoteVerifier {
    /// @notice Checks a quote, up to the root which the verifier trusts, and returns what it says.
    /// @dev Reverts, with an error of the verifier's own, on anything which isn't valid in full. Not a view, so that
    /// a verifier may remember what it has checked already.
    /// @param quote The quote core: the quote without its certificates.
    /// @param pckId Names the PCK certificate whose key signed the quoting enclave's report,
    /// keccak256(tbsCertificate).
    function verifyQuote(bytes calldata quote, bytes32 pckId) external returns (VerifiedQuote memory verified);
}
