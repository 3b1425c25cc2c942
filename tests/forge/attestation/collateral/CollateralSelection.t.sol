// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../../contracts/attestation/DcapVerifier.sol";
import {IDcapVerifier} from "../../../../contracts/interfaces/attestation/IDcapVerifier.sol";
import {QuoteAssessment, TcbPolicy, TcbStatus, VerifiedQuote} from "../../../../contracts/types/VerifiedQuote.sol";
import {CollateralFixture} from "./CollateralFixture.sol";
import {DateTimeLib} from "solady/utils/DateTimeLib.sol";

/// @dev given a standard set (20) by which a platform is up to date, and an early one (21) by which it isn't
///     when both are in force
///         the lowest should count: uploading the early one evicts no shard
///     when the policy's minimum is raised
///         the early one should count, conclusively
///     when the standard one has expired
///         the early one should count instead, but inconclusively
///     when the standard one expired more than 60 days ago
///         the early one should count conclusively, until the standard one is refreshed
///     when the policy's minimum is above both
///         it should be missing
/// given a policy that limits the age of collateral
///     when TCB info, QE identity or PCK CRL is as old as that
///         it should count, and a second later be missing
/// given that the TCB info, QE identity or a CRL is missing or has expired
///     it should be refused by name with the quote, and be unchecked in an assessment
/// given a quote that was verified
///     an assessment should agree with the verification
contract CollateralSelectionTest is CollateralFixture {
    uint256 private constant EARLY_ISSUED_AT = 1_768_435_200; // 2026-01-15T00:00:00Z
    uint256 private constant EARLY_ENDS_AT = 1_771_027_200; // 2026-02-14T00:00:00Z
    bytes6 private constant FMSPC = "SIMTDX";

    function setUp() public override {
        super.setUp();
        _uploadEarly(tcbInfo, qeIdentity);
    }

    /* EVALUATION NUMBERS */

    function test_verifyQuote__both_sets_in_force__the_lowest_counts() external view {
        vm.assertEq(dcap.evaluationNumbers(FMSPC, 0), (1 << 20) | (1 << 21));
        _assertVerdict(_anyPolicy(), TcbStatus.UP_TO_DATE, 20);
        _assertVerdict(_policy(20, 0), TcbStatus.UP_TO_DATE, 20);
        _assertConclusive(_anyPolicy(), true);
    }

    function test_verifyQuote__minimum_raised__the_early_one_counts() external view {
        _assertVerdict(_policy(21, 0), TcbStatus.OUT_OF_DATE, 21);
        _assertConclusive(_policy(21, 0), true);
    }

    function test_verifyQuote__standard_set_has_ended__the_early_one_stands_in() external {
        _refreshCrls();
        vm.warp(ENDS_AT);
        _assertVerdict(_anyPolicy(), TcbStatus.UP_TO_DATE, 20); // its last second
        _assertConclusive(_anyPolicy(), true);
        vm.warp(ENDS_AT + 1);
        _assertVerdict(_anyPolicy(), TcbStatus.OUT_OF_DATE, 21);
        _assertConclusive(_anyPolicy(), false);
        _assertVerdict(_policy(20, 0), TcbStatus.OUT_OF_DATE, 21);
        _assertConclusive(_policy(20, 0), false);
        // the standard one is not allowed: the early one is the lowest
        _assertConclusive(_policy(21, 0), true);
    }

    function test_L25_assessQuote__standard_set_ended_60_days_ago__is_forgotten() external {
        _refreshEarly(ENDS_AT + 59 days);
        vm.warp(ENDS_AT + 60 days);
        _assertVerdict(_anyPolicy(), TcbStatus.OUT_OF_DATE, 21);
        _assertConclusive(_anyPolicy(), false);
        vm.warp(ENDS_AT + 60 days + 1);
        _assertVerdict(_anyPolicy(), TcbStatus.OUT_OF_DATE, 21);
        _assertConclusive(_anyPolicy(), true);
        // so a machine that the early set revokes is evicted, not only paused
        bytes memory revoked = _edited(_early(tcbInfo, ENDS_AT + 60 days), '"OutOfDate"', '"Revoked"');
        dcap.updateTcbInfo(revoked, _signed(revoked), signerId);
        QuoteAssessment memory assessed = dcap.assessQuote(_claimsOf(firstCore, firstPck), _anyPolicy());
        vm.assertTrue(assessed.tcbStatus == TcbStatus.REVOKED && assessed.isConclusive);
    }

    function test_L25_assessQuote__standard_qe_identity_alone_not_forgotten__is_inconclusive() external {
        bytes memory identity =
            _edited(_issued(qeIdentity, _dateOf(ENDS_AT - 1)), bytes(ENDS), bytes(_dateOf(ENDS_AT + 1)));
        vm.warp(ENDS_AT);
        dcap.updateRootCrl(_crl(true, ENDS_AT, ENDS_AT + 365 days, _noSerials()));
        dcap.updateQeIdentity(identity, _signed(identity), signerId);
        _refreshEarly(ENDS_AT + 59 days);
        vm.warp(ENDS_AT + 60 days + 1);
        _assertConclusive(_anyPolicy(), false);
        vm.warp(ENDS_AT + 60 days + 2);
        _assertConclusive(_anyPolicy(), true);
    }

    function test_L25_assessQuote__standard_set_refreshed_after_it_was_forgotten__counts_again() external {
        _refreshEarly(ENDS_AT + 61 days);
        vm.warp(ENDS_AT + 61 days);
        _assertConclusive(_anyPolicy(), true);
        string memory issued = _dateOf(ENDS_AT + 61 days);
        string memory ends = _dateOf(ENDS_AT + 91 days);
        bytes memory info = _edited(_issued(tcbInfo, issued), bytes(ENDS), bytes(ends));
        dcap.updateTcbInfo(info, _signed(info), signerId);
        bytes memory identity = _edited(_issued(qeIdentity, issued), bytes(ENDS), bytes(ends));
        dcap.updateQeIdentity(identity, _signed(identity), signerId);
        _assertVerdict(_anyPolicy(), TcbStatus.UP_TO_DATE, 20);
        // and protects again: its next lapse has 60 days of its own
        vm.warp(ENDS_AT + 92 days);
        _refreshEarly(ENDS_AT + 92 days);
        _assertVerdict(_anyPolicy(), TcbStatus.OUT_OF_DATE, 21);
        _assertConclusive(_anyPolicy(), false);
    }

    function test_verifyQuote__standard_set_refreshed__counts_again() external {
        _refreshCrls();
        vm.warp(ENDS_AT + 1);
        bytes memory info = _edited(_issued(tcbInfo, "2026-02-13T00:00:00Z"), bytes(ENDS), "2026-03-13T12:00:00Z");
        dcap.updateTcbInfo(info, _signed(info), signerId);
        // with only an early QE identity, the verdict of the standard one is unknown
        _assertVerdict(_anyPolicy(), TcbStatus.UP_TO_DATE, 20);
        _assertConclusive(_anyPolicy(), false);
        bytes memory identity =
            _edited(_issued(qeIdentity, "2026-02-13T00:00:00Z"), bytes(ENDS), "2026-03-13T12:00:00Z");
        dcap.updateQeIdentity(identity, _signed(identity), signerId);
        _assertConclusive(_anyPolicy(), true);
    }

    function test_verifyQuote__early_qe_identity_alone_is_bad__counts_when_the_minimum_is_raised() external {
        DcapVerifier fresh = _verifierWith(tcbInfo, qeIdentity);
        dcap = fresh;
        bytes memory info = _ofNumber(tcbInfo, "21");
        dcap.updateTcbInfo(info, _signed(info), signerId);
        bytes memory identity = _ofNumber(_edited(qeIdentity, '"UpToDate"', '"OutOfDate"'), "21");
        dcap.updateQeIdentity(identity, _signed(identity), signerId);
        _assertVerdict(_anyPolicy(), TcbStatus.UP_TO_DATE, 20);
        _assertVerdict(_policy(21, 0), TcbStatus.OUT_OF_DATE, 21);
    }

    function test_verifyQuote__minimum_above_all__has_none() external {
        uint16[4] memory minima = [uint16(22), 255, 256, type(uint16).max];
        for (uint256 i = 0; i < minima.length; ++i) {
            _assertMissing(_policy(minima[i], 0));
        }
    }

    /// @dev Each run creates a verifier and uploads up to three sets. The profiles `ci` and `deep` run as many as others.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_verifyQuote__any_sets__the_lowest_allowed_counts(uint8[3] calldata numbers, uint16 minimum)
        external
    {
        DcapVerifier made = new DcapVerifier(store);
        dcap = made;
        dcap.updateRootCrl(_bytes(SIMULATED, "rootCrl"));
        dcap.updatePckCrl(_bytes(SIMULATED, "pckCrl"), authorityId);
        minimum = uint16(bounded(minimum, 0, 260));
        uint256 lowest = type(uint256).max;
        for (uint256 i = 0; i < 3; ++i) {
            if (made.evaluationNumbers(FMSPC, 0) & (1 << numbers[i]) != 0) continue;
            bytes memory number = bytes(string(_decimal(numbers[i])));
            bytes memory info = _ofNumber(tcbInfo, string(number));
            bytes memory identity = _ofNumber(qeIdentity, string(number));
            dcap.updateTcbInfo(info, _signed(info), signerId);
            dcap.updateQeIdentity(identity, _signed(identity), signerId);
            if (numbers[i] >= minimum && numbers[i] < lowest) lowest = numbers[i];
        }
        if (lowest == type(uint256).max) _assertMissing(_policy(minimum, 0));
        else _assertVerdict(_policy(minimum, 0), TcbStatus.UP_TO_DATE, lowest);
    }

    /* AGE */

    function test_verifyQuote__as_old_as_the_policy_allows__counts() external {
        // all of the standard set were issued at the same time
        uint32 age = uint32(simulatedAt - ISSUED_AT);
        _assertVerdict(_policy(0, age), TcbStatus.UP_TO_DATE, 20);
        _assertMissing(_policy(0, age - 1));
        vm.warp(simulatedAt + 1);
        _assertMissing(_policy(0, age));
    }

    function test_verifyQuote__one_of_them_older_than_allowed__has_none() external {
        uint32 age = uint32(simulatedAt - ISSUED_AT) - 1;
        // refreshed one after the other: there is a verdict only when all are recent
        bytes memory crl = _crl(false, ISSUED_AT + 1, ENDS_AT, _noSerials());
        bytes memory info = _issued(tcbInfo, "2026-01-14T12:00:01Z");
        bytes memory identity = _issued(qeIdentity, "2026-01-14T12:00:01Z");
        for (uint256 missing = 0; missing < 3; ++missing) {
            uint256 fork = vm.snapshotState();
            dcap = _verifierWith(tcbInfo, qeIdentity);
            if (missing != 0) dcap.updatePckCrl(crl, authorityId);
            if (missing != 1) dcap.updateTcbInfo(info, _signed(info), signerId);
            if (missing != 2) dcap.updateQeIdentity(identity, _signed(identity), signerId);
            _assertMissing(_policy(0, age));
            vm.revertToState(fork);
        }
        dcap = _verifierWith(tcbInfo, qeIdentity);
        dcap.updatePckCrl(crl, authorityId);
        dcap.updateTcbInfo(info, _signed(info), signerId);
        dcap.updateQeIdentity(identity, _signed(identity), signerId);
        _assertVerdict(_policy(0, age), TcbStatus.UP_TO_DATE, 20);
    }

    function test_verifyQuote__standard_set_older_than_allowed__the_early_one_stands_in() external {
        dcap.updatePckCrl(_crl(false, EARLY_ISSUED_AT, ENDS_AT, _noSerials()), authorityId);
        TcbPolicy memory policy = _policy(0, uint32(simulatedAt - EARLY_ISSUED_AT));
        _assertVerdict(policy, TcbStatus.OUT_OF_DATE, 21);
        _assertConclusive(policy, false);
    }

    /* MISSING */

    function test_verifyQuote__a_piece_is_not_there__has_none() external {
        for (uint256 missing = 0; missing < 3; ++missing) {
            dcap = new DcapVerifier(store);
            dcap.updateRootCrl(_bytes(SIMULATED, "rootCrl"));
            if (missing != 0) dcap.updatePckCrl(_bytes(SIMULATED, "pckCrl"), authorityId);
            if (missing != 1) dcap.updateTcbInfo(tcbInfo, _signed(tcbInfo), signerId);
            if (missing != 2) dcap.updateQeIdentity(qeIdentity, _signed(qeIdentity), signerId);
            _assertMissing(_anyPolicy());
        }
    }

    function test_verifyQuote__of_another_platform_only__has_none() external {
        dcap = _verifierWith(_edited(tcbInfo, '"53494D544458"', '"53494D544459"'), qeIdentity);
        _assertMissing(_anyPolicy());
        dcap = _verifierWith(_edited(tcbInfo, '"pceId":"0000"', '"pceId":"0001"'), qeIdentity);
        _assertMissing(_anyPolicy());
    }

    function test_verifyQuote__pck_crl_has_ended__has_none() external {
        bytes memory info = _edited(_issued(tcbInfo, "2026-01-14T12:00:01Z"), bytes(ENDS), "2026-03-13T12:00:00Z");
        bytes memory identity =
            _edited(_issued(qeIdentity, "2026-01-14T12:00:01Z"), bytes(ENDS), "2026-03-13T12:00:00Z");
        dcap.updateTcbInfo(info, _signed(info), signerId);
        dcap.updateQeIdentity(identity, _signed(identity), signerId);
        vm.warp(ENDS_AT - 1);
        _assertVerdict(_anyPolicy(), TcbStatus.UP_TO_DATE, 20);
        vm.warp(ENDS_AT);
        _assertMissing(_anyPolicy());
        dcap.updatePckCrl(_crl(false, ENDS_AT, ENDS_AT + 1 days, _noSerials()), authorityId);
        _assertVerdict(_anyPolicy(), TcbStatus.UP_TO_DATE, 20);
    }

    function test_verifyQuote__root_crl_has_ended__has_none() external {
        dcap.updateRootCrl(_crl(true, ISSUED_AT + 1, simulatedAt + 100, _noSerials()));
        vm.warp(simulatedAt + 99);
        _assertVerdict(_anyPolicy(), TcbStatus.UP_TO_DATE, 20);
        vm.warp(simulatedAt + 100);
        _assertMissing(_anyPolicy());
        dcap.updateRootCrl(_crl(true, simulatedAt, simulatedAt + 200, _noSerials()));
        _assertVerdict(_anyPolicy(), TcbStatus.UP_TO_DATE, 20);
    }

    /* ASSESSMENT */

    function test_assessQuote__of_a_verified_quote__says_the_same() external view {
        VerifiedQuote memory verified = _verify(firstCore);
        vm.assertEq(abi.encode(_claimsOf(firstCore, firstPck)), abi.encode(verified.claims));
        QuoteAssessment memory assessed = dcap.assessQuote(_claimsOf(firstCore, firstPck), _anyPolicy());
        vm.assertEq(assessed.platformId, verified.claims.platformId);
        vm.assertTrue(assessed.tcbStatus == verified.tcbStatus);
        vm.assertEq(assessed.evaluationNumber, verified.evaluationNumber);
        vm.assertEq(assessed.validUntil, verified.validUntil);
        vm.assertEq(assessed.certifiedUntil, uint40(uint256(verified.claims.qeAndEnd)));
        vm.assertFalse(assessed.isRevoked);
    }

    /* HELP */

    /// @dev PCESVN 12 is up to date, and 11, which the simulated machines have, is not.
    function _uploadEarly(bytes memory info, bytes memory identity) private {
        bytes memory early = _early(info, EARLY_ISSUED_AT);
        dcap.updateTcbInfo(early, _signed(early), signerId);
        early = _ofNumber(_dated(identity, EARLY_ISSUED_AT), "21");
        dcap.updateQeIdentity(early, _signed(early), signerId);
        vm.assertEq(dcap.qeIdentity(21).nextUpdate, EARLY_ENDS_AT);
    }

    function _early(bytes memory info, uint256 issuedAt) private pure returns (bytes memory) {
        uint256 place = _find(info, '{"tcb":{"sgxtcbcomponents"');
        bytes memory level = _slice(info, place, info.length - 2);
        bytes memory levels = bytes.concat(
            _edited(level, '"pcesvn":11', '"pcesvn":12'), ",", _edited(level, '"UpToDate"', '"OutOfDate"')
        );
        return _ofNumber(_dated(_edited(info, level, levels), issuedAt), "21");
    }

    /// @dev In force for 30 days.
    function _dated(bytes memory json, uint256 issuedAt) private pure returns (bytes memory) {
        return _edited(_issued(json, _dateOf(issuedAt)), bytes(ENDS), bytes(_dateOf(issuedAt + 30 days)));
    }

    function _dateOf(uint256 time) private pure returns (string memory) {
        (uint256 year, uint256 month, uint256 day, uint256 hour, uint256 minute, uint256 second) =
            DateTimeLib.timestampToDateTime(time);
        bytes memory date = bytes.concat("20", _two(year % 100), "-", _two(month), "-", _two(day));
        return string(bytes.concat(date, "T", _two(hour), ":", _two(minute), ":", _two(second), "Z"));
    }

    /// @dev The early set and the CRLs, issued again at that time.
    function _refreshEarly(uint256 issuedAt) private {
        vm.warp(issuedAt);
        dcap.updateRootCrl(_crl(true, issuedAt, issuedAt + 365 days, _noSerials()));
        dcap.updatePckCrl(_crl(false, issuedAt, issuedAt + 30 days, _noSerials()), authorityId);
        bytes memory early = _early(tcbInfo, issuedAt);
        dcap.updateTcbInfo(early, _signed(early), signerId);
        early = _ofNumber(_dated(qeIdentity, issuedAt), "21");
        dcap.updateQeIdentity(early, _signed(early), signerId);
    }

    function _refreshCrls() private {
        dcap.updatePckCrl(_crl(false, ISSUED_AT + 1, EARLY_ENDS_AT, _noSerials()), authorityId);
    }

    function _assertVerdict(TcbPolicy memory policy, TcbStatus status, uint256 number) private view {
        VerifiedQuote memory verified = dcap.verifyQuote(firstCore, firstPck, policy);
        vm.assertEq(uint256(verified.tcbStatus), uint256(status));
        vm.assertEq(verified.evaluationNumber, number);
    }

    function _assertConclusive(TcbPolicy memory policy, bool expected) private view {
        vm.assertEq(dcap.assessQuote(_claimsOf(firstCore, firstPck), policy).isConclusive, expected);
    }

    function _assertMissing(TcbPolicy memory policy) private {
        QuoteAssessment memory assessed = dcap.assessQuote(_claimsOf(firstCore, firstPck), policy);
        vm.assertTrue(assessed.tcbStatus == TcbStatus.UNCHECKED && !assessed.isRevoked);
        bytes memory core = firstCore;
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.CollateralMissing.selector, FMSPC, policy.minimumEvaluationNumber)
        );
        dcap.verifyQuote(core, firstPck, policy);
    }

    function _decimal(uint256 number) private pure returns (bytes memory text) {
        do {
            text = bytes.concat(bytes1(uint8(0x30 + number % 10)), text);
            number /= 10;
        } while (number != 0);
    }
}
