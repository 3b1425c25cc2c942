// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AutomataVerifier} from "../../../../contracts/attestation/automata/AutomataVerifier.sol";
import {PckCertificates} from "../../../../contracts/attestation/certificates/PckCertificates.sol";
import {TdxQuote} from "../../../../contracts/attestation/quote/TdxQuote.sol";
import {IAutomataDcap} from "../../../../contracts/interfaces/attestation/IAutomataDcap.sol";
import {IAutomataRouter} from "../../../../contracts/interfaces/attestation/IAutomataRouter.sol";
import {IAutomataVerifier} from "../../../../contracts/interfaces/attestation/IAutomataVerifier.sol";
import {IDcapVerifier} from "../../../../contracts/interfaces/attestation/IDcapVerifier.sol";
import {IPckCertificates} from "../../../../contracts/interfaces/attestation/IPckCertificates.sol";
import {
    QuoteAssessment,
    QuoteClaims,
    TcbPolicy,
    TcbStatus,
    VerifiedQuote
} from "../../../../contracts/types/VerifiedQuote.sol";
import {AutomataFixture} from "./AutomataFixture.sol";

/// @dev given no contract at Automata's address
///     it should not deploy
/// given a quote which Automata accepts
///     it should pass Automata exactly the bytes that the machine issued
///     it should report the status byte, regardless of `success`
///     when that byte is REVOKED, unrecognized, or no status
///         it should revert
///     when the output is about another quote, or of another form
///         it should revert
/// given a quote which Automata refuses, or charges a fee for
///     it should revert with Automata's reason
/// given a quote that is changed, without or with too long a chain, or of an unknown certificate
///     it should revert
/// given a quote that was accepted
///     when anyone calls judge
///         it should store Automata's verdict of now, good or bad, by evaluation number
///         it should change nothing when Automata refuses, or when its TCB info isn't in force
///     when it is assessed
///         it should return what is stored for the policy's number; UNCHECKED if nothing is
/// given a quote that was never accepted
///     judge and assessQuote should revert
contract AutomataVerifierTest is AutomataFixture {
    /// @dev By Automata's number.
    TcbStatus[10] private _statuses = [
        TcbStatus.UP_TO_DATE,
        TcbStatus.SW_HARDENING_NEEDED,
        TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
        TcbStatus.CONFIGURATION_NEEDED,
        TcbStatus.OUT_OF_DATE,
        TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
        TcbStatus.REVOKED,
        TcbStatus.NOT_SUPPORTED,
        TcbStatus.RELAUNCH_ADVISED,
        TcbStatus.RELAUNCH_ADVISED_CONFIGURATION_NEEDED
    ];

    string[12] private _tdxQuotes = [
        "tdx_v4_00806f_automata",
        "tdx_v4_50806f_google_spr_e4",
        "tdx_v4_90c06f_dstack_verifier",
        "tdx_v4_b0c06f_dstack_ratls",
        "tdx_v4_b0c06f_near_mpc",
        "tdx_v4_b0c06f_phala",
        "tdx_v4_b0c06f_phala_hex",
        "tdx_v4_b0c06f_tappd",
        "tdx_v4_c0806f_oasis_trailing",
        "tdx_v5_90c06f_alibaba_servicetd",
        "tdx_v5_90c06f_automata_preprod",
        "tdx_v5_90c06f_outdated"
    ];

    /* DEPLOYMENT */

    function test_constructor__no_contract_there__reverts() external {
        address codeless = named("an account without code");
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.AutomataMissing.selector, codeless));
        new AutomataVerifier(IAutomataDcap(codeless), store);
    }

    function test_constructor__names_what_it_relies_on() external view {
        vm.assertEq(address(adapter.AUTOMATA()), address(automata));
        vm.assertEq(address(adapter.certificates()), address(store));
    }

    /* THE WHOLE QUOTE */

    function test_raw__every_recorded_quote__is_what_its_machine_issued() external view {
        for (uint256 i = 0; i < _tdxQuotes.length; ++i) {
            bytes memory raw = _recorded(_tdxQuotes[i]);
            (bytes memory coreOnly, bytes memory chain) = _parts(raw);
            vm.assertEq(reader.raw(bytes.concat(coreOnly, chain)), raw);
            vm.assertEq(reader.core(bytes.concat(coreOnly, chain)), coreOnly);
        }
    }

    function test_core__too_short_or_of_no_known_version__is_all_of_it() external view {
        bytes memory short = _slice(core, 0, 1_239);
        vm.assertEq(reader.core(short), short);
        bytes memory fifth = _replaced(short, 0, hex"05");
        vm.assertEq(reader.core(fifth), fifth);
        vm.assertEq(reader.core(""), "");
    }

    /* ACCEPTED */

    function test_verifyQuote__every_status_number__becomes_its_TcbStatus() external {
        for (uint8 number = 0; number < _statuses.length; ++number) {
            if (_statuses[number] >= TcbStatus.REVOKED) continue;
            _recordAnswer(number);
            vm.assertEq(uint8(_accept()), uint8(_statuses[number]));
        }
    }

    function test_verifyQuote__out_of_date_with_success__is_reported_as_out_of_date() external {
        _recordAnswer(4);
        vm.expectEmit(address(adapter));
        emit IAutomataVerifier.QuoteJudged(_word(FIRST, "quoteHash"), 0, TcbStatus.OUT_OF_DATE);
        vm.assertEq(uint8(_accept()), uint8(TcbStatus.OUT_OF_DATE));
        vm.assertEq(uint8(_assessed(0).tcbStatus), uint8(TcbStatus.OUT_OF_DATE));
    }

    function test_verifyQuote__its_verdict__carries_what_a_policy_needs() external {
        _recordAnswer(0);
        VerifiedQuote memory verified = adapter.verifyQuote(quote, pckId, _policy(0));
        vm.assertEq(verified.claims.measurement, _word(FIRST, "measurement"));
        vm.assertEq(keccak256(abi.encode(verified.claims)), _word(FIRST, "quoteHash"));
        vm.assertEq(verified.claims.platformId, _word(FIRST, "platformId"));
        vm.assertEq(abi.encodePacked(verified.reportDataLow, verified.reportDataHigh), _bytes(FIRST, "reportData"));
        vm.assertEq(uint40(uint256(verified.claims.qeAndEnd)), store.pckCertificate(pckId).expiresAt);
        vm.assertEq(bytes32(bytes6(verified.claims.pck << 160)), bytes32("SIMTDX"));
        vm.assertEq(bytes32(bytes8(verified.claims.td << 128)), bytes32(hex"0000001000000000"));
        vm.assertEq(uint256(verified.evaluationNumber) + verified.tcbDate + verified.validUntil, 0);
    }

    function test_verifyQuote__a_minimum_number__is_the_set_that_automata_is_asked_for() external {
        automata.record({rawQuote: reader.raw(quote), number: 20, success: true, output: _output(1)});
        VerifiedQuote memory verified = adapter.verifyQuote(quote, pckId, _policy(20));
        vm.assertEq(uint8(verified.tcbStatus), uint8(TcbStatus.SW_HARDENING_NEEDED));
        vm.assertEq(verified.evaluationNumber, 20);
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.AutomataRefused.selector, "ATTVE"));
        adapter.verifyQuote(quote, pckId, _policy(0));
    }

    function test_verifyQuote__advisories_after_the_report__are_ignored() external {
        string[] memory advisories = new string[](1);
        advisories[0] = "INTEL-SA-00960";
        _recordAnswer(true, bytes.concat(_output(4), abi.encode(advisories)));
        vm.assertEq(uint8(_accept()), uint8(TcbStatus.OUT_OF_DATE));
    }

    /* RECORDED FROM AUTOMATA'S CONTRACTS */

    function test_verifyQuote__recorded_output_of_automata__gives_the_recorded_status() external {
        string memory sets = vm.readFile("tests/vectors/attestation/automata_outputs.json");
        uint8[5] memory expected = [1, 7, 7, 1, 1]; // as dcap-qvl reports, cases.json
        for (uint256 i = 0; i < expected.length; ++i) {
            string memory entry = string.concat(".outputs[", _digit(i), "]");
            vm.assertEq(_statusOfRecorded(sets, entry), expected[i]);
        }
    }

    function test_verifyQuote__a_service_td_which_automata_accepts__is_refused() external {
        string memory sets = vm.readFile("tests/vectors/attestation/automata_outputs.json");
        string memory entry = ".outputs[11]";
        vm.assertTrue(vm.parseJsonBool(sets, string.concat(entry, ".success")));
        (AutomataVerifier intels, bytes memory given,) = _intelsAdapter(sets, entry);
        vm.expectRevert(IDcapVerifier.ServiceTdRefused.selector);
        intels.verifyQuote(given, 0, _policy(17));
    }

    function test_verifyQuote__what_automata_really_refused__is_a_reason_in_letters() external view {
        string memory sets = vm.readFile("tests/vectors/attestation/automata_outputs.json");
        for (uint256 i = 5; i < 10; ++i) {
            string memory entry = string.concat(".outputs[", _digit(i), "]");
            vm.assertFalse(vm.parseJsonBool(sets, string.concat(entry, ".success")));
            vm.assertEq(string(vm.parseJsonBytes(sets, string.concat(entry, ".output"))), "TCBR");
        }
    }

    /* NOT ACCEPTED */

    function test_verifyQuote__revoked_or_unrecognized__reverts() external {
        for (uint8 number = 6; number < 8; ++number) {
            _recordAnswer(number);
            vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.TcbRefused.selector, _statuses[number]));
            _accept();
        }
    }

    function testFuzz_verifyQuote__no_status_number__reverts(uint8 number) external {
        number = uint8(bounded(number, _statuses.length, 255));
        _expectUnexpected(_output(number));
    }

    function test_verifyQuote__an_output_about_something_else__reverts() external {
        _expectUnexpected(_replaced(_output(0), 1, hex"05")); // version
        _expectUnexpected(_replaced(_output(0), 0, hex"01"));
        _expectUnexpected(_replaced(_output(0), 3, hex"03")); // type of the body
        _expectUnexpected(_replaced(_output(0), 2, hex"01"));
        _expectUnexpected(_replaced(_output(0), 5, "SIMTDY")); // FMSPC
        _expectUnexpected(_replaced(_output(0), 11, hex"ff")); // first and last byte of the report
        _expectUnexpected(_replaced(_output(0), 594, hex"ff"));
    }

    function testFuzz_verifyQuote__too_short_an_output__reverts(uint256 length) external {
        _expectUnexpected(_slice(_output(0), 0, bounded(length, 1, 594)));
    }

    function test_verifyQuote__refused__says_automatas_reason() external {
        _recordRefusal("X509VE");
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.AutomataRefused.selector, "X509VE"));
        _accept();
        _recordRefusal("TCBR");
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.AutomataRefused.selector, "TCBR"));
        _accept();
    }

    function test_verifyQuote__automata_wants_a_fee__reverts() external {
        _recordAnswer(0);
        automata.setPaid(true);
        vm.expectRevert(IAutomataDcap.Insufficient_Funds.selector);
        _accept();
    }

    function test_verifyQuote__a_policy_about_age__reverts() external {
        _accepted(0);
        TcbPolicy memory policy = TcbPolicy({minimumEvaluationNumber: 0, maxCollateralAge: 1 days});
        QuoteClaims memory claims = _claims();
        bytes memory expected = abi.encodeWithSelector(IAutomataVerifier.CollateralAgeUnknown.selector, 1 days);
        vm.expectRevert(expected);
        adapter.verifyQuote(quote, pckId, policy);
        vm.expectRevert(expected);
        adapter.assessQuote(claims, policy);
    }

    /* WRONG QUOTES */

    function test_verifyQuote__chain_missing_or_too_long__reverts() external {
        _expectChainRefused(0);
        _expectChainRefused(16_385);
        quote = bytes.concat(core, new bytes(16_384));
        _recordAnswer(0);
        _accept();
    }

    function test_verifyQuote__certificate_not_stored__reverts() external {
        _recordAnswer(0);
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.PckCertificateUnknown.selector, bytes32("unknown")));
        adapter.verifyQuote(quote, "unknown", _policy(0));
    }

    function test_verifyQuote__certificate_ended__reverts() external {
        _recordAnswer(0);
        uint256 expiresAt = store.pckCertificate(pckId).expiresAt;
        vm.warp(expiresAt + 1);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PckChainExpired.selector, pckId, expiresAt));
        _accept();
    }

    function testFuzz_verifyQuote__any_byte_of_the_core_changed__reverts(uint256 offset, uint8 mask) external {
        vm.assume(mask != 0);
        offset = bounded(offset, 0, core.length - 1);
        bytes memory changed = bytes.concat(quote);
        changed[offset] ^= bytes1(mask);
        _recordFor(changed);
        cheats.expectRevert();
        adapter.verifyQuote(changed, pckId, _policy(0));
    }

    function testFuzz_verifyQuote__any_length__is_no_other_quote(uint256 length) external {
        bytes memory cut = _slice(quote, 0, bounded(length, 0, core.length - 1));
        vm.expectRevert(abi.encodeWithSelector(TdxQuote.QuoteLengthInvalid.selector, cut.length));
        adapter.verifyQuote(cut, pckId, _policy(0));
    }

    /* JUDGE */

    function test_judge__worse_or_better__is_stored() external {
        _accepted(0);
        for (uint8 i = 0; i < _statuses.length; ++i) {
            uint8 number = uint8(_statuses.length - 1 - i);
            _recordAnswer(number);
            vm.expectEmit(address(adapter));
            emit IAutomataVerifier.QuoteJudged(_word(FIRST, "quoteHash"), 0, _statuses[number]);
            vm.assertEq(uint8(adapter.judge(quote, pckId, 0)), uint8(_statuses[number]));
            vm.assertEq(uint8(_assessed(0).tcbStatus), uint8(_statuses[number]));
        }
    }

    function test_judge__revoked_or_missing_by_tcb_info_in_force__is_stored_as_not_supported() external {
        _accepted(0);
        _recordRefusal("TCBR");
        vm.assertEq(uint8(adapter.judge(quote, pckId, 0)), uint8(TcbStatus.NOT_SUPPORTED));
        vm.assertEq(uint8(_assessed(0).tcbStatus), uint8(TcbStatus.NOT_SUPPORTED));
        vm.assertTrue(_assessed(0).isConclusive);
    }

    function test_judge__revoked_or_missing_without_tcb_info_in_force__changes_nothing() external {
        _accepted(0);
        _recordRefusal("TCBR");
        automata.record({rawQuote: reader.raw(quote), number: 20, success: false, output: "TCBR"});
        automata.setStale(true);
        vm.expectRevert(abi.encodeWithSelector(IAutomataRouter.TcbEvalExpiredOrNotFound.selector, 1));
        adapter.judge(quote, pckId, 0);
        vm.expectRevert(abi.encodeWithSelector(IAutomataRouter.FmspcTcbExpiredOrNotFound.selector, 1, 3));
        adapter.judge(quote, pckId, 20);
        vm.assertEq(uint8(_assessed(0).tcbStatus), uint8(TcbStatus.UP_TO_DATE));
    }

    function test_judge__any_other_refusal__changes_nothing() external {
        string[7] memory reasons = ["X509VE", "QEIDVE", "ATTVE", "TDMF", "TDRF", "TCBR ", "TCB"];
        _accepted(0);
        for (uint256 i = 0; i < reasons.length; ++i) {
            _recordRefusal(bytes(reasons[i]));
            vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.AutomataRefused.selector, reasons[i]));
            adapter.judge(quote, pckId, 0);
            vm.assertEq(uint8(_assessed(0).tcbStatus), uint8(TcbStatus.UP_TO_DATE));
        }
    }

    function test_judge__by_another_set__leaves_the_verdict_of_this_one() external {
        _accepted(0);
        automata.record({rawQuote: reader.raw(quote), number: 21, success: true, output: _output(4)});
        adapter.judge(quote, pckId, 21);
        vm.assertEq(uint8(_assessed(0).tcbStatus), uint8(TcbStatus.UP_TO_DATE));
        vm.assertEq(uint8(_assessed(21).tcbStatus), uint8(TcbStatus.OUT_OF_DATE));
        vm.assertEq(_assessed(21).evaluationNumber, 21);
    }

    function test_judge__never_accepted__reverts() external {
        _recordAnswer(0);
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.QuoteUnknown.selector, _word(FIRST, "quoteHash")));
        adapter.judge(quote, pckId, 0);
    }

    function test_judge__refused_by_automata_at_first__stays_unknown() external {
        _recordAnswer(6);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.TcbRefused.selector, TcbStatus.REVOKED));
        _accept();
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.QuoteUnknown.selector, _word(FIRST, "quoteHash")));
        adapter.judge(quote, pckId, 0);
    }

    function test_judge__an_output_about_something_else__reverts() external {
        _accepted(0);
        bytes memory output = _replaced(_output(4), 5, "SIMTDY");
        _recordAnswer(true, output);
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.AutomataOutputUnexpected.selector, output));
        adapter.judge(quote, pckId, 0);
        vm.assertEq(uint8(_assessed(0).tcbStatus), uint8(TcbStatus.UP_TO_DATE));
    }

    /* ASSESSED */

    function test_assessQuote__an_accepted_quote__has_platform_and_expiry() external {
        _accepted(0);
        QuoteAssessment memory assessed = _assessed(0);
        vm.assertEq(assessed.platformId, _word(FIRST, "platformId"));
        vm.assertEq(uint8(assessed.tcbStatus), uint8(TcbStatus.UP_TO_DATE));
        vm.assertEq(assessed.certifiedUntil, store.pckCertificate(pckId).expiresAt);
        vm.assertTrue(assessed.isConclusive);
        vm.assertFalse(assessed.isRevoked);
        vm.assertEq(assessed.validUntil, 0);
    }

    function test_assessQuote__without_a_verdict_by_that_set__is_unchecked() external {
        _accepted(0);
        vm.assertEq(uint8(_assessed(20).tcbStatus), uint8(TcbStatus.UNCHECKED));
    }

    function test_assessQuote__never_accepted_or_other_claims__reverts() external {
        QuoteClaims memory claims = _claims();
        bytes32 name = keccak256(abi.encode(claims));
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.QuoteUnknown.selector, name));
        adapter.assessQuote(claims, _policy(0));
        _accepted(0);
        claims.svns ^= bytes32(uint256(1));
        name = keccak256(abi.encode(claims));
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.QuoteUnknown.selector, name));
        adapter.assessQuote(claims, _policy(0));
    }

    /* PRIVATE */

    function _expectUnexpected(bytes memory output) private {
        _recordAnswer(true, output);
        vm.expectRevert(abi.encodeWithSelector(IAutomataVerifier.AutomataOutputUnexpected.selector, output));
        _accept();
    }

    function _expectChainRefused(uint256 length) private {
        quote = bytes.concat(core, new bytes(length));
        bytes4 selector = IAutomataVerifier.CertificateChainLengthInvalid.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, length, 16_384));
        _accept();
    }

    /// @dev Automata accepts any content, so it must be the adapter that refuses.
    function _recordFor(bytes memory changed) private {
        try reader.raw(changed) returns (bytes memory raw) {
            bytes memory report = _slice(changed, 48, 632);
            bytes memory output = abi.encodePacked(uint16(4), uint16(2), uint8(0), bytes6("SIMTDX"), report);
            automata.record({rawQuote: raw, number: 0, success: true, output: output});
        } catch {}
    }

    /// @dev An adapter on Intel's root with Automata's recorded answer to that quote; at its time.
    function _intelsAdapter(string memory sets, string memory entry)
        private
        returns (AutomataVerifier intels, bytes memory given, PckCertificates intelsStore)
    {
        vm.warp(vm.parseJsonUint(sets, string.concat(entry, ".at")));
        bytes memory raw = _recorded(vm.parseJsonString(sets, string.concat(entry, ".quote")));
        automata.record({
            rawQuote: raw,
            number: uint32(vm.parseJsonUint(sets, string.concat(entry, ".evaluationNumber"))),
            success: vm.parseJsonBool(sets, string.concat(entry, ".success")),
            output: vm.parseJsonBytes(sets, string.concat(entry, ".output"))
        });
        intelsStore = new PckCertificates(_bytes(INTEL, "root"));
        intels = new AutomataVerifier(automata, intelsStore);
        (bytes memory coreOnly, bytes memory chain) = _parts(raw);
        given = bytes.concat(coreOnly, chain);
    }

    function _statusOfRecorded(string memory sets, string memory entry) private returns (uint8) {
        (AutomataVerifier intels, bytes memory given, PckCertificates intelsStore) = _intelsAdapter(sets, entry);
        string memory path = string.concat(".intel.quotes.", vm.parseJsonString(sets, string.concat(entry, ".quote")));
        bytes32 authorityId = intelsStore.addAuthority(_bytes(INTEL, "authority"));
        bytes32 leafId = intelsStore.addPckCertificate(_bytes(path, "leaf"), authorityId);
        uint16 number = uint16(vm.parseJsonUint(sets, string.concat(entry, ".evaluationNumber")));
        return uint8(intels.verifyQuote(given, leafId, _policy(number)).tcbStatus);
    }

    function _digit(uint256 number) private pure returns (string memory) {
        return string(abi.encodePacked(uint8(0x30 + number)));
    }
}
