// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDcapVerifier} from "../interfaces/attestation/IDcapVerifier.sol";
import {IPckCertificates} from "../interfaces/attestation/IPckCertificates.sol";
import {TcbPolicy, VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @notice A quote core with everything that is needed to verify it, from the root's CRL on.
struct QuoteEvidence {
    // certificates and CRLs in DER
    bytes authority;
    bytes leaf;
    bytes signer;
    bytes rootCrl;
    bytes pckCrl;
    // collateral as text, with r ‖ s over it
    bytes tcbInfo;
    bytes tcbInfoSignature;
    bytes qeIdentity;
    bytes qeIdentitySignature;
    bytes quote;
}

/// @title OneCallVerifier
/// @notice For tests: uploads all evidence to empty stores and verifies the quote, in one call. Meant for `eth_call`,
/// which leaves the stores empty.
contract OneCallVerifier {
    IDcapVerifier private immutable _VERIFIER;

    constructor(IDcapVerifier verifier) {
        _VERIFIER = verifier;
    }

    /// @notice Verifies the quote. Reverts with the error of the first step that fails.
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
