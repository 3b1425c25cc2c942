// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralJson} from "../../../../contracts/attestation/collateral/CollateralJson.sol";
import {CollateralHeader, ICollateralReader} from "../../../../contracts/interfaces/attestation/ICollateralReader.sol";
import {CollateralReaderFixture} from "./CollateralReaderFixture.sol";

/// @dev given TCB info in Intel's form
///     when it is Intel's of any year
///         it should be read
///     when what may be left out or written otherwise is: modules, advisories, categories, the case of digits
///         it should be read
///     when a key is missing, repeated or misplaced
///         it should revert, with the number of characters left
///     when a character stands before, within or behind it, or it is cut off
///         it should revert
///     when a number, date, status or name has another form
///         it should revert
///     when it is ambiguous which level or module applies
///         it should revert
/// given a QE identity
///     the same should hold
contract CollateralReaderTest is CollateralReaderFixture {
    /* INTEL'S */

    function test_readTcbInfo__intels_of_all_years__read() external view {
        string[6] memory sets = [
            "tdx_50806f_2023-06",
            "tdx_c0806f_2024-09_nocrl",
            "tdx_00806f050000_2025-06",
            "tdx_90c06f_2025-06",
            "tdx_90c06f_2026-02",
            "tdx_b0c06f_2026-08"
        ];
        bytes6[6] memory fmspcs = [
            bytes6(hex"50806f000000"),
            hex"c0806f000000",
            hex"00806f050000",
            hex"90c06f000000",
            hex"90c06f000000",
            hex"b0c06f000000"
        ];
        for (uint256 i = 0; i < sets.length; ++i) {
            (CollateralHeader memory header,) = reader.readTcbInfo(_recorded(sets[i], "tcb_info", '{"tcbInfo":'));
            vm.assertEq(bytes32(header.fmspc), bytes32(fmspcs[i]));
            vm.assertEq(header.nextUpdate - header.issuedAt, 30 days);
            (header,) = reader.readQeIdentity(_recorded(sets[i], "qe_identity", '{"enclaveIdentity":'));
            vm.assertEq(header.nextUpdate - header.issuedAt, 30 days);
            vm.assertEq(bytes32(header.fmspc), 0);
        }
    }

    function test_readTcbInfo__simulated__says_what_names_it() external view {
        (CollateralHeader memory header, bytes memory packed) = reader.readTcbInfo(info);
        vm.assertEq(header.issuedAt, 1_768_392_000);
        vm.assertEq(header.nextUpdate, 1_770_984_000);
        vm.assertEq(header.evaluationNumber, 20);
        vm.assertEq(bytes32(header.fmspc), bytes32("SIMTDX"));
        vm.assertEq(bytes32(header.pceId), 0);
        // base module and version 3 are Intel's, its level 5; one level: components, PCESVN 11, 2026-01-14
        bytes memory modules = hex"000b01000103010001" hex"0501";
        bytes memory level = bytes.concat(
            hex"04040202040100050000000000000000", hex"00000400000000000000000000000000", hex"000b010069", hex"66dc80"
        );
        vm.assertEq(packed, bytes.concat(modules, hex"0001", level));
    }

    function test_readQeIdentity__simulated__says_what_it_says() external view {
        (CollateralHeader memory header, bytes memory packed) = reader.readQeIdentity(identity);
        vm.assertEq(header.issuedAt, 1_768_392_000);
        vm.assertEq(header.nextUpdate, 1_770_984_000);
        vm.assertEq(header.evaluationNumber, 20);
        bytes memory attributes = bytes.concat(hex"1100000000000000", bytes8(0), hex"fbffffffffffffff", bytes8(0));
        bytes32 signer = hex"dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5";
        vm.assertEq(packed, bytes.concat(hex"00000000ffffffff", attributes, signer, hex"00020001", hex"000601"));
    }

    /* WHAT MAY BE OTHERWISE */

    function test_readTcbInfo__other_forms_of_intels__read() external view {
        (, bytes memory packed) = reader.readTcbInfo(info);
        _assertReadsAs(_edited('"53494D544458"', '"53494d544458"'), packed);
        _assertReadsAs(_edited('[{"svn":4}', '[{"svn":4,"category":"BIOS","type":"Early ucode"}'), packed);
        _assertReadsAs(_edited('[{"svn":4}', '[{"svn":4,"type":""}'), packed);
        bytes memory ids =
            '},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate","advisoryIDs":["INTEL-SA-01245","B"]}]}';
        _assertReadsAs(_endingIn(ids), packed);
        ids = '},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate","advisoryIDs":[]}]}';
        _assertReadsAs(_endingIn(ids), packed);
    }

    function test_readTcbInfo__without_modules__reads_none() external view {
        bytes memory modules =
            _slice(info, _find(info, ',"tdxModuleIdentities"'), _find(info, '],"tcbLevels":[{"tcb":{"sgx') + 1);
        (, bytes memory missing) = reader.readTcbInfo(_edited(modules, ""));
        (, bytes memory empty) = reader.readTcbInfo(_edited(modules, ',"tdxModuleIdentities":[]'));
        vm.assertEq(missing, empty);
        vm.assertEq(_slice(missing, 0, 7), hex"00050100000001");
    }

    function test_readTcbInfo__every_status__read_as_its_number() external view {
        string[7] memory names = [
            "UpToDate",
            "SWHardeningNeeded",
            "ConfigurationNeeded",
            "ConfigurationAndSWHardeningNeeded",
            "OutOfDate",
            "OutOfDateConfigurationNeeded",
            "Revoked"
        ];
        uint8[7] memory numbers = [1, 2, 3, 4, 7, 8, 9];
        for (uint256 i = 0; i < names.length; ++i) {
            (, bytes memory packed) = reader.readTcbInfo(_withStatus(bytes(names[i])));
            vm.assertEq(uint8(packed[packed.length - 6]), numbers[i]);
        }
    }

    /* KEYS */

    function test_readTcbInfo__a_key_missing_repeated_or_elsewhere__reverts() external {
        _refuse(_edited('"issueDate":"2026-01-14T12:00:00Z",', ""), ',"nextUpdate"');
        _refuse(_edited(',"tcbType":0', ""), ',"tcbEvaluationDataNumber"');
        _refuse(_edited(',"tcbType":0', ',"tcbType":0,"tcbType":0'), ',"tcbType":0,"tcbEval');
        bytes memory swapped = ',"pceId":"0000","fmspc":"53494D544458"';
        _refuse(_edited(',"fmspc":"53494D544458","pceId":"0000"', swapped), swapped);
        _refuse(_edited(',"pcesvn":11', ',"pcesvn":11,"pcesvn":99'), ',"pcesvn":99');
        // also behind an unknown one, and in an object that does not have it
        _refuse(_edited(',"tcbType":0', ',"tcbType":0,"new":0,"tcbType":0'), ',"tcbType":0,"tcbEval');
        _refuse(_edited('"pcesvn":11', '"pcesvn":11,"new":0,"isvsvn":5'), ',"isvsvn":5,"tdx');
        _refuse(_edited('{"id":"TDX",', '{"new":0,"version":3,"id":"TDX",'), '"version":3,"id"');
        _refuse(_endingIn(bytes.concat(LEVEL, ',"new":0,"tcbStatus":"Revoked"}]}')), ',"tcbStatus":"Revoked"');
        _refuse(_edited('[{"svn":4}', '[{"svn":4,"type":"","type":""}'), ',"type":""}');
        _refuse(_edited('[{"svn":4}', '[{"svn":4,"type":"","category":""}'), ',"category":""}');
    }

    function test_readTcbInfo__another_kind__reverts() external {
        _refuse(_edited('"id":"TDX"', '"id":"SGX"'), '{"id":"SGX"');
        _refuse(_edited('"version":3', '"version":2'), ',"version":2');
        _refuse(_edited('"tcbType":0', '"tcbType":1'), ',"tcbType":1');
        _refuse(identity, identity);
    }

    /* CHARACTERS */

    function test_readTcbInfo__cut_off_anywhere__reverts() external view {
        for (uint256 length = 0; length < info.length; length += 3) {
            try reader.readTcbInfo(_slice(info, 0, length)) {
                revert("a part was read");
            } catch (bytes memory reason) {
                vm.assertEq(bytes32(bytes4(reason)), bytes32(CollateralJson.JsonUnexpected.selector));
            }
        }
    }

    function testFuzz_readTcbInfo__a_character_more__reverts(uint256 place, bytes1 character) external view {
        place = bounded(place, 0, info.length);
        bytes memory more = bytes.concat(_slice(info, 0, place), character, _slice(info, place, info.length));
        // with one more digit it is another number, and nothing else can follow; without that name, it has no modules
        bool isDigit = character >= "0" && character <= "9";
        uint256 name = _find(info, "tdxModuleIdentities");
        bool isName = place >= name && place <= name + 19;
        try reader.readTcbInfo(more) {
            vm.assertTrue(isDigit || isName, "a character more was read");
        } catch {}
    }

    function testFuzz_readTcbInfo__a_character_that_json_does_not_have__reverts(uint256 place, uint8 character)
        external
    {
        // control characters, and all beyond ASCII
        bytes memory changed = bytes.concat(info);
        uint256 odd = bounded(character, 0, 160);
        changed[bounded(place, 0, changed.length - 1)] = bytes1(uint8(odd < 32 ? odd : odd - 32 + 127));
        cheats.expectPartialRevert(CollateralJson.JsonUnexpected.selector);
        reader.readTcbInfo(changed);
    }

    function test_readTcbInfo__a_character_behind_it__reverts() external {
        bytes[4] memory additions = [bytes("}"), " ", hex"00", ","];
        for (uint256 i = 0; i < additions.length; ++i) {
            // the brace that should have been last counts as well
            _expect(2);
            reader.readTcbInfo(bytes.concat(info, additions[i]));
            _expect(2);
            reader.readQeIdentity(bytes.concat(identity, additions[i]));
        }
    }

    function test_readTcbInfo__strings_with_escapes_or_odd_characters__reverts() external {
        bytes[5] memory odd = [bytes('\\"'), "\\u0041", hex"09", hex"7f", hex"c3a4"];
        for (uint256 i = 0; i < odd.length; ++i) {
            bytes memory string_ = bytes.concat('[{"svn":4,"category":"a', odd[i], '"}');
            bytes memory changed = _edited('[{"svn":4}', string_);
            cheats.expectPartialRevert(CollateralJson.JsonUnexpected.selector);
            reader.readTcbInfo(changed);
        }
    }

    function test_readTcbInfo__longer_than_40000_characters__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(ICollateralReader.CollateralTooLong.selector, 40_001));
        reader.readTcbInfo(new bytes(40_001));
        vm.expectRevert(abi.encodeWithSelector(ICollateralReader.CollateralTooLong.selector, 40_001));
        reader.readQeIdentity(new bytes(40_001));
        _expect(40_000);
        reader.readTcbInfo(new bytes(40_000));
    }

    /* VALUES */

    function test_readTcbInfo__a_number_of_another_form__reverts() external {
        bytes[9] memory wrong = [bytes("256"), "-1", "01", "00", "1.0", "1e1", "", '"1"', "99999"];
        for (uint256 i = 0; i < wrong.length; ++i) {
            _assertUnexpected(_edited('[{"svn":4}', bytes.concat('[{"svn":', wrong[i], "}")));
        }
        bytes[4] memory tooLarge = [bytes("65536"), "99999", "100000", "011"];
        for (uint256 i = 0; i < tooLarge.length; ++i) {
            _assertUnexpected(_edited('"pcesvn":11', bytes.concat('"pcesvn":', tooLarge[i])));
            _assertUnexpected(_edited('Number":20', bytes.concat('Number":', tooLarge[i])));
        }
        reader.readTcbInfo(_edited('"pcesvn":11', '"pcesvn":65535'));
        reader.readTcbInfo(_edited('[{"svn":4}', '[{"svn":255}'));
    }

    function test_readTcbInfo__a_date_that_does_not_exist__reverts() external {
        string[14] memory dates = [
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-00-01T12:00:00Z",
            "2026-01-00T12:00:00Z",
            "2026-04-31T12:00:00Z",
            "2026-01-14T24:00:00Z",
            "2026-01-14T12:60:00Z",
            "2026-01-14T12:00:60Z",
            "1969-12-31T23:59:59Z",
            "2026-01-14 12:00:00Z",
            "2026-01-14T12:00:00z",
            "2026/01/14T12:00:00Z",
            "2026-01-14T12:00:0:Z",
            "+026-01-14T12:00:00Z"
        ];
        for (uint256 i = 0; i < dates.length; ++i) {
            bytes memory date = bytes.concat('"issueDate":"', bytes(dates[i]));
            _assertUnexpected(_edited('"issueDate":"2026-01-14T12:00:00Z', date));
        }
        (CollateralHeader memory header,) =
            reader.readTcbInfo(_edited('"issueDate":"2026-01-14T12:00:00Z', '"issueDate":"2024-02-29T23:59:59Z'));
        vm.assertEq(header.issuedAt, 1_709_251_199);
    }

    function test_readTcbInfo__hexadecimal_of_another_form__reverts() external {
        bytes[8] memory wrong = [
            bytes("53494G544458"),
            "53494@544458",
            "53494`544458",
            "53494:544458",
            "53494/544458",
            "53494g544458",
            "53494D54445",
            "53494D5444580"
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            _assertUnexpected(_edited("53494D544458", wrong[i]));
        }
    }

    function test_readTcbInfo__an_unknown_status__reverts() external {
        bytes[8] memory wrong = [
            bytes("uptodate"),
            "UpToDat",
            "UpToDateX",
            "",
            "NotSupported",
            "RelaunchAdvised",
            "ConfigurationAndSWHardeningNeedex",
            "ConfigurationAndSWHardeningNeededX"
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            _assertUnexpected(_withStatus(wrong[i]));
        }
        // of platforms, not of modules
        _assertUnexpected(
            _edited(
                'Date":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"}]}],',
                'Date":"2026-01-14T00:00:00Z","tcbStatus":"SWHardeningNeeded"}]}],'
            )
        );
    }

    function test_readTcbInfo__a_module_of_another_name__reverts() external {
        bytes[5] memory wrong = [bytes("TDX_0a"), "TDX_3", "TDX_003", "TDX_0G", "SGX_03"];
        for (uint256 i = 0; i < wrong.length; ++i) {
            _assertUnexpected(_edited("TDX_03", wrong[i]));
        }
        reader.readTcbInfo(_edited("TDX_03", "TDX_FF"));
    }

    function test_readTcbInfo__fifteen_or_seventeen_components__reverts() external {
        _assertUnexpected(_edited('[{"svn":4},', "["));
        _assertUnexpected(_edited('[{"svn":4},', '[{"svn":4},{"svn":4},'));
    }

    /* ORDER */

    function test_readTcbInfo__levels_that_do_not_descend__reverts() external {
        bytes memory level = _slice(info, _find(info, '{"tcb":{"sgx'), info.length - 2);
        bytes memory higher = _replace(level, '"pcesvn":11', '"pcesvn":12');
        bytes memory higherSgx = _replace(level, '[{"svn":4},{"svn":4},{"svn":2}', '[{"svn":4},{"svn":4},{"svn":3}');
        bytes memory higherTdx = _replace(level, '[{"svn":0},{"svn":0},{"svn":4}', '[{"svn":0},{"svn":0},{"svn":5}');
        _assertOutOfOrder(bytes.concat(level, ",", level));
        _assertOutOfOrder(bytes.concat(level, ",", higher));
        _assertOutOfOrder(bytes.concat(level, ",", higherSgx));
        _assertOutOfOrder(bytes.concat(level, ",", higherTdx));
        _assertOutOfOrder(bytes.concat(higherTdx, ",", higher));
        // SGX components decide before PCESVN, and that before TDX components
        bytes memory descending = bytes.concat(higherSgx, ",", higher, ",", higherTdx, ",", level);
        (, bytes memory packed) = reader.readTcbInfo(_replace(info, level, descending));
        vm.assertEq(_slice(packed, 11, 13), hex"0004");
    }

    function test_readTcbInfo__a_module_twice_or_its_levels_ascending__reverts() external {
        bytes memory module = _slice(info, _find(info, '{"id":"TDX_03"'), _find(info, '],"tcbLevels":[{"tcb":{"sgx'));
        _assertOutOfOrderIn(_replace(info, module, bytes.concat(module, ",", module)));
        bytes memory other = _replace(module, "TDX_03", "TDX_01");
        reader.readTcbInfo(_replace(info, module, bytes.concat(module, ",", other)));
        bytes memory one = '{"tcb":{"isvsvn":5},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"}';
        _assertOutOfOrderIn(_edited(one, bytes.concat(one, ",", one)));
        _assertOutOfOrderIn(_edited(one, bytes.concat(one, ",", _replace(one, ":5}", ":6}"))));
        reader.readTcbInfo(_edited(one, bytes.concat(one, ",", _replace(one, ":5}", ":4}"))));
    }

    /* QE IDENTITY */

    function test_readQeIdentity__of_another_form__reverts() external {
        bytes[2][10] memory edits = [
            [bytes('"TD_QE"'), '"QE"'],
            [bytes('"version":2'), '"version":4'],
            [bytes(',"isvprodid":2'), ""],
            [bytes(',"isvprodid":2'), ',"isvprodid":2,"isvprodid":3'],
            [bytes(',"isvprodid":2'), ',"isvprodid":2,"new":'],
            [bytes('"isvprodid":2'), '"isvprodid":65536'],
            [bytes('"isvsvn":6'), '"isvsvn":65536'],
            [bytes('"UpToDate"'), '"ConfigurationNeeded"'],
            [bytes('"miscselect":"00000000"'), '"miscselect":"0000000"'],
            [bytes('"TD_QE",'), '"TD_QE", ']
        ];
        for (uint256 i = 0; i < edits.length; ++i) {
            bytes memory changed = _replace(identity, edits[i][0], edits[i][1]);
            cheats.expectPartialRevert(CollateralJson.JsonUnexpected.selector);
            reader.readQeIdentity(changed);
        }
        bytes memory one = '{"tcb":{"isvsvn":6},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"}';
        bytes memory twice = _replace(identity, one, bytes.concat(one, ",", one));
        vm.expectRevert(ICollateralReader.LevelsOutOfOrder.selector);
        reader.readQeIdentity(twice);
    }

    function test_readQeIdentity__cut_off_anywhere__reverts() external view {
        for (uint256 length = 0; length < identity.length; ++length) {
            try reader.readQeIdentity(_slice(identity, 0, length)) {
                revert("a part was read");
            } catch {}
        }
    }
}
