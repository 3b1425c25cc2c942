// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralJson} from "../../../../contracts/attestation/collateral/CollateralJson.sol";
import {CollateralReader} from "../../../../contracts/attestation/collateral/CollateralReader.sol";
import {ICollateralReader} from "../../../../contracts/interfaces/attestation/ICollateralReader.sol";
import {AttestationVectors} from "../AttestationVectors.sol";

/// @notice A reader, and the simulated machines' TCB info and QE identity, to be changed.
abstract contract CollateralReaderFixture is AttestationVectors {
    bytes internal constant LEVEL = '},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"';
    bytes internal constant LEVEL_END = '},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"}]}';

    CollateralReader internal reader;
    bytes internal info;
    bytes internal identity;

    function setUp() external {
        reader = new CollateralReader();
        info = _bytes(SIMULATED, "tcbInfo");
        identity = _bytes(SIMULATED, "qeIdentity");
    }

    /// @dev The inner object of a recorded file: between the name of its member and the signature's.
    function _recorded(string memory set, string memory file, bytes memory opening)
        internal
        view
        returns (bytes memory)
    {
        string memory path = string.concat("tests/vectors/attestation/collateral/", set, "/", file, ".json");
        bytes memory text = bytes(vm.readFile(path));
        return _slice(text, opening.length, _find(text, ',"signature":"'));
    }

    function _edited(bytes memory from, bytes memory to) internal view returns (bytes memory) {
        return _replace(info, from, to);
    }

    function _replace(bytes memory source, bytes memory from, bytes memory to) internal pure returns (bytes memory) {
        uint256 place = _find(source, from);
        return bytes.concat(_slice(source, 0, place), to, _slice(source, place + from.length, source.length));
    }

    /// @dev With another end than {LEVEL_END}.
    function _endingIn(bytes memory end) internal view returns (bytes memory) {
        return bytes.concat(_slice(info, 0, info.length - LEVEL_END.length), end);
    }

    function _withStatus(bytes memory status) internal view returns (bytes memory) {
        return bytes.concat(_slice(info, 0, info.length - 12), status, '"}]}');
    }

    function _assertReadsAs(bytes memory json, bytes memory expected) internal view {
        (, bytes memory packed) = reader.readTcbInfo(json);
        vm.assertEq(packed, expected);
    }

    /// @dev Refused at the only occurrence of that text.
    function _refuse(bytes memory json, bytes memory beginning) internal {
        _expect(json.length - _find(json, beginning));
        reader.readTcbInfo(json);
    }

    function _expect(uint256 charactersLeft) internal {
        vm.expectRevert(abi.encodeWithSelector(CollateralJson.JsonUnexpected.selector, charactersLeft));
    }

    function _assertUnexpected(bytes memory json) internal {
        cheats.expectPartialRevert(CollateralJson.JsonUnexpected.selector);
        reader.readTcbInfo(json);
    }

    function _assertOutOfOrder(bytes memory levels) internal {
        bytes memory level = _slice(info, _find(info, '{"tcb":{"sgx'), info.length - 2);
        _assertOutOfOrderIn(_replace(info, level, levels));
    }

    function _assertOutOfOrderIn(bytes memory json) internal {
        vm.expectRevert(ICollateralReader.LevelsOutOfOrder.selector);
        reader.readTcbInfo(json);
    }
}
