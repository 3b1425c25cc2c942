// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralReaderFixture} from "./CollateralReaderFixture.sol";

/// @dev given TCB info or a QE identity with a member that has no meaning here
///     when its value is plain JSON
///         it should be read as without that member, wherever that stands
///     when its name or value is not plain JSON
///         it should revert
contract CollateralReaderMembersTest is CollateralReaderFixture {
    /// @dev A new member in each object, at each place where one can be.
    function test_M15_readTcbInfo__a_new_member_anywhere__reads_as_without_it() external view {
        (, bytes memory packed) = reader.readTcbInfo(info);
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
        (, bytes memory packed) = reader.readTcbInfo(info);
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
        (, bytes memory packed) = reader.readQeIdentity(identity);
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
            (, bytes memory found) = reader.readQeIdentity(_replace(identity, places[i], text));
            vm.assertEq(found, packed);
        }
    }
}
