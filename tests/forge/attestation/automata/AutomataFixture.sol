// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AutomataVerifier} from "../../../../contracts/attestation/automata/AutomataVerifier.sol";
import {PckCertificates} from "../../../../contracts/attestation/certificates/PckCertificates.sol";
import {TdxQuote} from "../../../../contracts/attestation/quote/TdxQuote.sol";
import {WholeQuote} from "../../../../contracts/attestation/quote/WholeQuote.sol";
import {RecordedAutomata} from "../../../../contracts/mocks/RecordedAutomata.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, TcbStatus} from "../../../../contracts/types/VerifiedQuote.sol";
import {AttestationVectors} from "../AttestationVectors.sol";

/// @notice Calls {WholeQuote}, which reads calldata, with values in memory.
contract WholeQuoteReader {
    using WholeQuote for bytes;

    function core(bytes calldata quote) external pure returns (bytes memory) {
        return quote.core();
    }

    function raw(bytes calldata quote) external pure returns (bytes memory) {
        return quote.raw();
    }

    function claims(bytes calldata quote) external pure returns (QuoteClaims memory made) {
        bytes calldata coreOnly = quote.core();
        (uint256 report, uint256 signedEnd) = TdxQuote.locate(coreOnly);
        TdxQuote.fillClaims({core: coreOnly, report: report, signedEnd: signedEnd, claims: made});
    }
}

/// @notice The adapter on recorded answers of Automata, with a quote of a simulated machine or of Intel.
abstract contract AutomataFixture is AttestationVectors {
    string private constant QUOTES = "tests/vectors/attestation/quotes/";

    /// @dev What follows a core. Only Automata reads it.
    bytes internal constant CHAIN = "-----BEGIN CERTIFICATE-----\n";

    RecordedAutomata internal automata;
    PckCertificates internal store;
    AutomataVerifier internal adapter;
    WholeQuoteReader internal reader = new WholeQuoteReader();
    bytes internal core;
    bytes internal quote;
    bytes32 internal pckId;

    function setUp() public virtual {
        vm.warp(_number(SIMULATED, "at"));
        store = new PckCertificates(_bytes(SIMULATED, "root"));
        pckId = store.addPckCertificate(_bytes(FIRST, "leaf"), store.addAuthority(_bytes(SIMULATED, "authority")));
        core = _bytes(FIRST, "core");
        quote = bytes.concat(core, CHAIN);
        automata = new RecordedAutomata();
        adapter = new AutomataVerifier(automata, store);
    }

    /* WHAT AUTOMATA SAYS */

    /// @dev Of the simulated machine's quote, by the standard set.
    function _recordAnswer(bool success, bytes memory output) internal {
        automata.record({rawQuote: reader.raw(quote), number: 0, success: success, output: output});
    }

    /// @dev Accepted, with that status number.
    function _recordAnswer(uint8 status) internal {
        _recordAnswer(true, _output(status));
    }

    function _recordRefusal(bytes memory reason) internal {
        _recordAnswer(false, reason);
    }

    /// @dev As its contracts write it, about the simulated machine's quote.
    function _output(uint8 status) internal view returns (bytes memory) {
        return abi.encodePacked(uint16(4), uint16(2), status, bytes6("SIMTDX"), _slice(core, 48, 632));
    }

    /* ASKING THE ADAPTER */

    function _accept() internal returns (TcbStatus) {
        return adapter.verifyQuote(quote, pckId, _policy(0)).tcbStatus;
    }

    function _accepted(uint8 status) internal {
        _recordAnswer(status);
        _accept();
    }

    function _policy(uint16 minimum) internal pure returns (TcbPolicy memory policy) {
        policy.minimumEvaluationNumber = minimum;
    }

    function _assessed(uint16 minimum) internal view returns (QuoteAssessment memory) {
        return adapter.assessQuote(_claims(), _policy(minimum));
    }

    /// @dev Of the simulated machine's quote.
    function _claims() internal view returns (QuoteClaims memory claims) {
        claims = reader.claims(quote);
        claims.platformId = _word(FIRST, "platformId");
        claims.svns |= bytes32(store.pckCertificate(pckId).componentSvns);
        claims.qeAndEnd |= bytes32(uint256(store.pckCertificate(pckId).expiresAt));
        claims.pck = bytes32(
            abi.encodePacked(
                uint160(store.pckCertificate(pckId).serial),
                store.pckCertificate(pckId).fmspc,
                store.pckCertificate(pckId).pceId,
                store.pckCertificate(pckId).pceSvn,
                store.pckCertificate(pckId).authorityIndex
            )
        );
        vm.assertEq(keccak256(abi.encode(claims)), _word(FIRST, "quoteHash"));
    }

    /* RECORDED QUOTES */

    /// @dev As its machine made it, without the zeros that some files have at the end.
    function _recorded(string memory name) internal view returns (bytes memory) {
        bytes memory file = vm.readFileBinary(string.concat(QUOTES, name, ".bin"));
        uint256 end = _signedEnd(file);
        return _slice(file, 0, end + 4 + _size(file, end, 4));
    }

    /// @dev Core and PEM chain, by Intel's layout: every size and type is where it says.
    function _parts(bytes memory raw) internal pure returns (bytes memory coreOnly, bytes memory chain) {
        uint256 signature = _signedEnd(raw) + 4;
        uint256 qeReport = signature + 134;
        uint256 authentication = qeReport + 450;
        uint256 chainStart = authentication + 38;
        coreOnly = bytes.concat(
            _slice(raw, 0, signature - 4),
            _slice(raw, signature, signature + 128),
            _slice(raw, qeReport, qeReport + 448),
            _slice(raw, authentication, authentication + 32)
        );
        chain = _slice(raw, chainStart, chainStart + _size(raw, chainStart - 4, 4));
    }

    function _signedEnd(bytes memory raw) private pure returns (uint256) {
        return raw[0] == 0x04 ? 632 : 54 + _size(raw, 50, 4);
    }

    /// @dev Little-endian.
    function _size(bytes memory raw, uint256 offset, uint256 octets) private pure returns (uint256 size) {
        for (uint256 i = octets; i > 0; --i) {
            size = (size << 8) | uint8(raw[offset + i - 1]);
        }
    }
}
