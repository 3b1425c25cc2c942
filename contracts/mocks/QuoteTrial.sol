// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "../interfaces/attestation/IDcapVerifier.sol";
import {IPckCertificates} from "../interfaces/attestation/IPckCertificates.sol";
import {TcbPolicy, VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @notice A quote core with everything that is needed to verify it, from the root on.
struct QuoteEvidence {
    // DER
    bytes authority;
    bytes leaf;
    bytes signer;
    bytes rootCrl;
    bytes pckCrl;
    // text, and r ‖ s over it
    bytes tcbInfo;
    bytes tcbInfoSignature;
    bytes qeIdentity;
    bytes qeIdentitySignature;
    bytes quote;
}

/// @title QuoteTrial
/// @notice For tests: brings all evidence to empty stores and verifies the quote, in one call. Made to be asked with
/// `eth_call`, which leaves the stores empty.
contract QuoteTrial {
    IDcapVerifier private immutable _VERIFIER;

    constructor(IDcapVerifier verifier) {
        _VERIFIER = verifier;
    }

    /// @notice Reverts with the error of the first step that fails.
    function verify(QuoteEvidence calldata evidence, TcbPolicy calldata policy)
        external
        returns (VerifiedQuote memory verified)
    {
        IPckCertificates certificates = _VERIFIER.certificates();
        bytes32 authorityId = certificates.addAuthority(evidence.authority);
        bytes32 pckId = certificates.addPckCertificate(evidence.leaf, authorityId);
        bytes32 signerId = certificates.addCollateralSigner(evidence.signer);
        _VERIFIER.updateRootCrl(evidence.rootCrl);
        _VERIFIER.updatePckCrl(evidence.pckCrl, authorityId);
        _VERIFIER.updateTcbInfo(evidence.tcbInfo, evidence.tcbInfoSignature, signerId);
        _VERIFIER.updateQeIdentity(evidence.qeIdentity, evidence.qeIdentitySignature, signerId);
        return _VERIFIER.verifyQuote(evidence.quote, pckId, policy);
    }
}
