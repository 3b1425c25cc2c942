// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralJson} from "../../../../contracts/attestation/collateral/CollateralJson.sol";
import {CollateralReader} from "../../../../contracts/attestation/collateral/CollateralReader.sol";
import {CollateralHeader, ICollateralReader} from "../../../../contracts/interfaces/attestation/ICollateralReader.sol";
import {AttestationVectors} from "../AttestationVectors.sol";

/// @dev given TCB info in Intel's form
///     when it is Intel's of any year
///         it should be read
///     when what may be left out or written otherwise is: modules, advisories, categories, the case of digits
///         it should be read
///     when a key is missing, repeated or misplaced
///         it should revert, with the number of characters left
///     when a member is unknown
///         it should be read as without that member, wherever that stands and whatever its value
///     when an unknown member's name or value is not plain JSON
///         it should revert
///     when a character stands before, within or behind it, or it is cut off
///         it should revert
///     when a number, date, status or name has another form
///         it should revert
///     when it is ambiguous which level or module applies
///         it should revert
/// given a QE identity
///     the same should hold
contract CollateralReaderTest is AttestationVectors {
    bytes private constant LEVEL = '},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"';
    bytes private constant LEVEL_END = '},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"}]}';

    CollateralReader private _reader;
    bytes private _info;
    bytes private _identity;

    function setUp() external {
        _reader = new CollateralReader();
        _info = _bytes(SIMULATED, "tcbInfo");
        _identity = _bytes(SIMULATED, "qeIdentity");
    }

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
            (CollateralHeader memory header,) = _reader.readTcbInfo(_recorded(sets[i], "tcb_info", '{"tcbInfo":'));
            vm.assertEq(bytes32(header.fmspc), bytes32(fmspcs[i]));
            vm.assertEq(header.nextUpdate - header.issuedAt, 30 days);
            (header,) = _reader.readQeIdentity(_recorded(sets[i], "qe_identity", '{"enclaveIdentity":'));
            vm.assertEq(header.nextUpdate - header.issuedAt, 30 days);
            vm.assertEq(bytes32(header.fmspc), 0);
        }
    }

    function test_readTcbInfo__simulated__says_what_names_it() external view {
        (CollateralHeader memory header, bytes memory packed) = _reader.readTcbInfo(_info);
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
        (CollateralHeader memory header, bytes memory packed) = _reader.readQeIdentity(_identity);
        vm.assertEq(header.issuedAt, 1_768_392_000);
        vm.assertEq(header.nextUpdate, 1_770_984_000);
        vm.assertEq(header.evaluationNumber, 20);
        bytes memory attributes = bytes.concat(hex"1100000000000000", bytes8(0), hex"fbffffffffffffff", bytes8(0));
        bytes32 signer = hex"dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5";
        vm.assertEq(packed, bytes.concat(hex"00000000ffffffff", attributes, signer, hex"00020001", hex"000601"));
    }

    /* WHAT MAY BE OTHERWISE */

    function test_readTcbInfo__other_forms_of_intels__read() external view {
        (, bytes memory packed) = _reader.readTcbInfo(_info);
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
            _slice(_info, _find(_info, ',"tdxModuleIdentities"'), _find(_info, '],"tcbLevels":[{"tcb":{"sgx') + 1);
        (, bytes memory missing) = _reader.readTcbInfo(_edited(modules, ""));
        (, bytes memory empty) = _reader.readTcbInfo(_edited(modules, ',"tdxModuleIdentities":[]'));
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
            (, bytes memory packed) = _reader.readTcbInfo(_withStatus(bytes(names[i])));
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

    /// @dev A new member in each object, at each place where one can be.
    function test_M15_readTcbInfo__a_new_member_anywhere__reads_as_without_it() external view {
        (, bytes memory packed) = _reader.readTcbInfo(_info);
        bytes[9] memory places = [
            bytes('"id":"TDX",'),
            ',"version":3',
            ',"fmspc":"53494D544458"',
            ',"tcbEvaluationDataNumber":20',
            '"id":"TDX_03",',
            '"isvsvn":5',
            ',"pcesvn":11',
            '[{"svn":4',
            ',"tdxModuleIdentities":'
        ];
        for (uint256 i = 0; i < places.length; ++i) {
            bytes memory place = places[i];
            bytes memory text = place[place.length - 1] == ","
                ? bytes.concat('"new":{"svn":[1,{}]},', place)
                : place[place.length - 1] == ":"
                    ? bytes.concat(',"new":"TDX"', place)
                    : bytes.concat(place, ',"new":[],"newer":"a"');
            _assertReadsAs(_edited(place, text), packed);
        }
        _assertReadsAs(_endingIn(bytes.concat(LEVEL, ',"new":0}]}')), packed);
        _assertReadsAs(_endingIn(bytes.concat(LEVEL, '}],"new":0}')), packed);
        _assertReadsAs(_endingIn(bytes.concat(LEVEL, ',"new":0,"advisoryIDs":["A"],"newer":0}]}')), packed);
        _assertReadsAs(_edited('[{"svn":4}', '[{"svn":4,"a":1,"category":"","b":1,"type":"","c":1}'), packed);
        _assertReadsAs(_edited('[{"svn":4}', '[{"new":1,"svn":4}'), packed);
    }

    function test_M15_readTcbInfo__a_new_member_of_any_value__reads_as_without_it() external view {
        (, bytes memory packed) = _reader.readTcbInfo(_info);
        bytes[14] memory values = [
            bytes("0"),
            "-12.50",
            "true",
            "false",
            "null",
            '""',
            '"}],tcbLevels:["',
            "[]",
            "{}",
            '["a",{"tcbType":1},[[0]]]',
            '{"fmspc":"000000000000","tcbLevels":[]}',
            "18446744073709551616",
            '{"":{"":{"":{"":{"":{"":{"":{"":0}}}}}}}}',
            "0.001"
        ];
        for (uint256 i = 0; i < values.length; ++i) {
            _assertReadsAs(_edited(',"tcbType":0', bytes.concat(',"tcbType":0,"new":', values[i])), packed);
        }
        // names that resemble known ones, and one of more characters than any of these
        bytes[4] memory names =
            [bytes("ID"), "tcb_type", "tcbEvaluationDataNumbers", "aNameThatIsLongerThanAnyOtherOne"];
        for (uint256 i = 0; i < names.length; ++i) {
            _assertReadsAs(_edited(',"tcbType":0', bytes.concat(',"tcbType":0,"', names[i], '":0')), packed);
        }
    }

    function test_M15_readTcbInfo__a_new_member_that_is_not_plain_json__reverts() external {
        bytes[20] memory values = [
            bytes(""),
            "01",
            "-",
            "1.",
            ".5",
            "1e5",
            "+1",
            "tru",
            "True",
            "[0,]",
            "[,0]",
            "[0",
            "[0}",
            "{0}",
            '{"a"}',
            '{"a":0,}',
            "{a:0}",
            '"a\\u0041"',
            '"',
            '{"":{"":{"":{"":{"":{"":{"":{"":{"":0}}}}}}}}}'
        ];
        for (uint256 i = 0; i < values.length; ++i) {
            _assertUnexpected(_edited(',"tcbType":0', bytes.concat(',"tcbType":0,"new":', values[i])));
        }
        // an escape could spell a known name
        _assertUnexpected(_edited(',"tcbType":0', ',"tcbType":0,"\\u0074cbType":1'));
        _assertUnexpected(_edited(',"tcbType":0', ',"tcbType":0,new:0'));
        _assertUnexpected(_edited(',"tcbType":0', ',"tcbType":0,"new" :0'));
        _assertUnexpected(_edited(',"tcbType":0', ',"tcbType":0,,"new":0'));
        _assertUnexpected(_edited(',"tcbType":0', ',"tcbType":0,'));
        _assertUnexpected(_endingIn(bytes.concat(LEVEL, '}],"new":0')));
    }

    function test_M15_readQeIdentity__a_new_member_anywhere__reads_as_without_it() external view {
        (, bytes memory packed) = _reader.readQeIdentity(_identity);
        bytes[7] memory places = [
            bytes('"id":"TD_QE"'),
            ',"version":2',
            ',"isvprodid":2',
            '"isvsvn":6',
            '"UpToDate"',
            ',"miscselect":"00000000"',
            "]"
        ];
        for (uint256 i = 0; i < places.length; ++i) {
            bytes memory text = bytes.concat(places[i], ',"new":{"isvsvn":7}');
            (, bytes memory found) = _reader.readQeIdentity(_replace(_identity, places[i], text));
            vm.assertEq(found, packed);
        }
    }

    function test_readTcbInfo__another_kind__reverts() external {
        _refuse(_edited('"id":"TDX"', '"id":"SGX"'), '{"id":"SGX"');
        _refuse(_edited('"version":3', '"version":2'), ',"version":2');
        _refuse(_edited('"tcbType":0', '"tcbType":1'), ',"tcbType":1');
        _refuse(_identity, _identity);
    }

    /* CHARACTERS */

    function test_readTcbInfo__cut_off_anywhere__reverts() external view {
        for (uint256 length = 0; length < _info.length; length += 3) {
            try _reader.readTcbInfo(_slice(_info, 0, length)) {
                revert("a part was read");
            } catch (bytes memory reason) {
                vm.assertEq(bytes32(bytes4(reason)), bytes32(CollateralJson.JsonUnexpected.selector));
            }
        }
    }

    function testFuzz_readTcbInfo__a_character_more__reverts(uint256 place, bytes1 character) external view {
        place = bounded(place, 0, _info.length);
        bytes memory more = bytes.concat(_slice(_info, 0, place), character, _slice(_info, place, _info.length));
        // with one more digit it is another number, and nothing else can follow; without that name, it has no modules
        bool isDigit = character >= "0" && character <= "9";
        uint256 name = _find(_info, "tdxModuleIdentities");
        bool isName = place >= name && place <= name + 19;
        try _reader.readTcbInfo(more) {
            vm.assertTrue(isDigit || isName, "a character more was read");
        } catch {}
    }

    function testFuzz_readTcbInfo__a_character_that_json_does_not_have__reverts(uint256 place, uint8 character)
        external
    {
        // control characters, and all beyond ASCII
        bytes memory changed = bytes.concat(_info);
        uint256 odd = bounded(character, 0, 160);
        changed[bounded(place, 0, changed.length - 1)] = bytes1(uint8(odd < 32 ? odd : odd - 32 + 127));
        cheats.expectPartialRevert(CollateralJson.JsonUnexpected.selector);
        _reader.readTcbInfo(changed);
    }

    function test_readTcbInfo__a_character_behind_it__reverts() external {
        bytes[4] memory additions = [bytes("}"), " ", hex"00", ","];
        for (uint256 i = 0; i < additions.length; ++i) {
            // the brace that should have been last counts as well
            _expect(2);
            _reader.readTcbInfo(bytes.concat(_info, additions[i]));
            _expect(2);
            _reader.readQeIdentity(bytes.concat(_identity, additions[i]));
        }
    }

    function test_readTcbInfo__strings_with_escapes_or_odd_characters__reverts() external {
        bytes[5] memory odd = [bytes('\\"'), "\\u0041", hex"09", hex"7f", hex"c3a4"];
        for (uint256 i = 0; i < odd.length; ++i) {
            bytes memory string_ = bytes.concat('[{"svn":4,"category":"a', odd[i], '"}');
            bytes memory changed = _edited('[{"svn":4}', string_);
            cheats.expectPartialRevert(CollateralJson.JsonUnexpected.selector);
            _reader.readTcbInfo(changed);
        }
    }

    function test_readTcbInfo__longer_than_40000_characters__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(ICollateralReader.CollateralTooLong.selector, 40_001));
        _reader.readTcbInfo(new bytes(40_001));
        vm.expectRevert(abi.encodeWithSelector(ICollateralReader.CollateralTooLong.selector, 40_001));
        _reader.readQeIdentity(new bytes(40_001));
        _expect(40_000);
        _reader.readTcbInfo(new bytes(40_000));
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
        _reader.readTcbInfo(_edited('"pcesvn":11', '"pcesvn":65535'));
        _reader.readTcbInfo(_edited('[{"svn":4}', '[{"svn":255}'));
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
            _reader.readTcbInfo(_edited('"issueDate":"2026-01-14T12:00:00Z', '"issueDate":"2024-02-29T23:59:59Z'));
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
        _reader.readTcbInfo(_edited("TDX_03", "TDX_FF"));
    }

    function test_readTcbInfo__fifteen_or_seventeen_components__reverts() external {
        _assertUnexpected(_edited('[{"svn":4},', "["));
        _assertUnexpected(_edited('[{"svn":4},', '[{"svn":4},{"svn":4},'));
    }

    /* ORDER */

    function test_readTcbInfo__levels_that_do_not_descend__reverts() external {
        bytes memory level = _slice(_info, _find(_info, '{"tcb":{"sgx'), _info.length - 2);
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
        (, bytes memory packed) = _reader.readTcbInfo(_replace(_info, level, descending));
        vm.assertEq(_slice(packed, 11, 13), hex"0004");
    }

    function test_readTcbInfo__a_module_twice_or_its_levels_ascending__reverts() external {
        bytes memory module =
            _slice(_info, _find(_info, '{"id":"TDX_03"'), _find(_info, '],"tcbLevels":[{"tcb":{"sgx'));
        _assertOutOfOrderIn(_replace(_info, module, bytes.concat(module, ",", module)));
        bytes memory other = _replace(module, "TDX_03", "TDX_01");
        _reader.readTcbInfo(_replace(_info, module, bytes.concat(module, ",", other)));
        bytes memory one = '{"tcb":{"isvsvn":5},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"}';
        _assertOutOfOrderIn(_edited(one, bytes.concat(one, ",", one)));
        _assertOutOfOrderIn(_edited(one, bytes.concat(one, ",", _replace(one, ":5}", ":6}"))));
        _reader.readTcbInfo(_edited(one, bytes.concat(one, ",", _replace(one, ":5}", ":4}"))));
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
            bytes memory changed = _replace(_identity, edits[i][0], edits[i][1]);
            cheats.expectPartialRevert(CollateralJson.JsonUnexpected.selector);
            _reader.readQeIdentity(changed);
        }
        bytes memory one = '{"tcb":{"isvsvn":6},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"}';
        bytes memory twice = _replace(_identity, one, bytes.concat(one, ",", one));
        vm.expectRevert(ICollateralReader.LevelsOutOfOrder.selector);
        _reader.readQeIdentity(twice);
    }

    function test_readQeIdentity__cut_off_anywhere__reverts() external view {
        for (uint256 length = 0; length < _identity.length; ++length) {
            try _reader.readQeIdentity(_slice(_identity, 0, length)) {
                revert("a part was read");
            } catch {}
        }
    }

    /* HELP */

    /// @dev The inner object of a recorded file: between the name of its member and the signature's.
    function _recorded(string memory set, string memory file, bytes memory opening)
        private
        view
        returns (bytes memory)
    {
        string memory path = string.concat("tests/vectors/attestation/collateral/", set, "/", file, ".json");
        bytes memory text = bytes(vm.readFile(path));
        return _slice(text, opening.length, _find(text, ',"signature":"'));
    }

    function _edited(bytes memory from, bytes memory to) private view returns (bytes memory) {
        return _replace(_info, from, to);
    }

    function _replace(bytes memory source, bytes memory from, bytes memory to) private pure returns (bytes memory) {
        uint256 place = _find(source, from);
        return bytes.concat(_slice(source, 0, place), to, _slice(source, place + from.length, source.length));
    }

    /// @dev With another end than {LEVEL_END}.
    function _endingIn(bytes memory end) private view returns (bytes memory) {
        return bytes.concat(_slice(_info, 0, _info.length - LEVEL_END.length), end);
    }

    function _withStatus(bytes memory status) private view returns (bytes memory) {
        return bytes.concat(_slice(_info, 0, _info.length - 12), status, '"}]}');
    }

    function _assertReadsAs(bytes memory json, bytes memory expected) private view {
        (, bytes memory packed) = _reader.readTcbInfo(json);
        vm.assertEq(packed, expected);
    }

    /// @dev Refused at the only occurrence of that text.
    function _refuse(bytes memory json, bytes memory beginning) private {
        _expect(json.length - _find(json, beginning));
        _reader.readTcbInfo(json);
    }

    function _expect(uint256 charactersLeft) private {
        vm.expectRevert(abi.encodeWithSelector(CollateralJson.JsonUnexpected.selector, charactersLeft));
    }

    function _assertUnexpected(bytes memory json) private {
        cheats.expectPartialRevert(CollateralJson.JsonUnexpected.selector);
        _reader.readTcbInfo(json);
    }

    function _assertOutOfOrder(bytes memory levels) private {
        bytes memory level = _slice(_info, _find(_info, '{"tcb":{"sgx'), _info.length - 2);
        _assertOutOfOrderIn(_replace(_info, level, levels));
    }

    function _assertOutOfOrderIn(bytes memory json) private {
        vm.expectRevert(ICollateralReader.LevelsOutOfOrder.selector);
        _reader.readTcbInfo(json);
    }
}
