// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ForgeTest} from "../fixtures/ForgeTest.sol";
import {AttestationCheats} from "./AttestationCheats.sol";

/// @notice Reads tests/vectors/attestation/vectors.json, and changes and re-signs its content.
abstract contract AttestationVectors is ForgeTest {
    AttestationCheats internal constant cheats = AttestationCheats(address(vm));

    string internal constant INTEL = ".intel";
    string internal constant SIMULATED = ".simulated";
    string internal constant STRANGER = ".stranger";
    string internal constant NEAR_MPC = ".intel.quotes.tdx_v4_b0c06f_near_mpc";
    string internal constant PHALA = ".intel.quotes.tdx_v4_b0c06f_phala";
    string internal constant DSTACK = ".intel.quotes.tdx_v4_90c06f_dstack_verifier";
    string internal constant AUTOMATA = ".intel.quotes.tdx_v4_00806f_automata";
    string internal constant GOOGLE = ".intel.quotes.tdx_v4_50806f_google_spr_e4";
    string internal constant FIRST = ".simulated.first";
    string internal constant SECOND = ".simulated.second";

    string private _json = vm.readFile("tests/vectors/attestation/vectors.json");

    function _bytes(string memory path, string memory field) internal view returns (bytes memory) {
        return vm.parseJsonBytes(_json, string.concat(path, ".", field));
    }

    function _word(string memory path, string memory field) internal view returns (bytes32) {
        return vm.parseJsonBytes32(_json, string.concat(path, ".", field));
    }

    function _number(string memory path, string memory field) internal view returns (uint256) {
        return vm.parseJsonUint(_json, string.concat(path, ".", field));
    }

    /* CHANGING AND SIGNING AGAIN */

    function _replaced(bytes memory source, uint256 offset, bytes memory content)
        internal
        pure
        returns (bytes memory)
    {
        bytes memory changed = bytes.concat(source);
        for (uint256 i = 0; i < content.length; ++i) {
            changed[offset + i] = content[i];
        }
        return changed;
    }

    function _slice(bytes memory source, uint256 start, uint256 end) internal pure returns (bytes memory part) {
        part = new bytes(end - start);
        for (uint256 i = 0; i < part.length; ++i) {
            part[i] = source[start + i];
        }
    }

    /// @dev The quote as the simulated machine `path` would have signed it.
    function _signedAgain(bytes memory core, string memory path) internal view returns (bytes memory) {
        uint256 key = uint256(_word(path, "attestationKey"));
        (bytes32 r, bytes32 s) = cheats.signP256(key, sha256(_slice(core, 0, 632)));
        return _replaced(core, 632, abi.encodePacked(r, s));
    }

    /// @dev The QE report as the PCK of the simulated machine `path` would have signed it.
    function _qeSignedAgain(bytes memory core, string memory path) internal view returns (bytes memory) {
        uint256 key = uint256(_word(path, "pckKey"));
        (bytes32 r, bytes32 s) = cheats.signP256(key, sha256(_slice(core, 760, 1144)));
        return _replaced(core, 1144, abi.encodePacked(r, s));
    }

    /// @dev What the last call, made with that calldata as a transaction of its own, would cost: EIP-2028 and EIP-7623.
    function _transactionGas(bytes memory data) internal view returns (uint256) {
        uint256 execution = vm.lastCallGas().gasTotalUsed;
        uint256 tokens = 0;
        for (uint256 i = 0; i < data.length; ++i) {
            tokens += data[i] == 0 ? 1 : 4;
        }
        uint256 standard = 4 * tokens + execution;
        return 21_000 + (standard > 10 * tokens ? standard : 10 * tokens);
    }

    /// @dev A certificate around other contents, signed by that key. `tbs` is the whole tbsCertificate element.
    function _certificate(bytes memory tbs, uint256 key) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = cheats.signP256(key, sha256(tbs));
        bytes memory pair = _element(0x30, bytes.concat(_integer(uint256(r)), _integer(uint256(s))));
        bytes memory algorithm = hex"300a06082a8648ce3d040302";
        return _element(0x30, bytes.concat(tbs, algorithm, _element(0x03, bytes.concat(hex"00", pair))));
    }

    /// @dev The tbsCertificate of a certificate: both have two length bytes, as all of Intel's do.
    function _tbs(bytes memory der) internal pure returns (bytes memory) {
        uint256 size = (uint256(uint8(der[6])) << 8) | uint8(der[7]);
        return _slice(der, 4, 8 + size);
    }

    function _element(uint8 tag, bytes memory content) internal pure returns (bytes memory) {
        uint256 size = content.length;
        if (size < 0x80) return abi.encodePacked(tag, uint8(size), content);
        if (size < 0x100) return abi.encodePacked(tag, uint8(0x81), uint8(size), content);
        return abi.encodePacked(tag, uint8(0x82), uint16(size), content);
    }

    function _integer(uint256 value) internal pure returns (bytes memory) {
        bytes memory content = abi.encodePacked(value);
        uint256 start = 0;
        while (start < 31 && content[start] == 0) ++start;
        content = _slice(content, start, 32);
        return _element(0x02, uint8(content[0]) >= 0x80 ? bytes.concat(hex"00", content) : content);
    }

    /// @dev The only occurrence of `needle`.
    function _find(bytes memory source, bytes memory needle) internal pure returns (uint256 found) {
        uint256 hits = 0;
        bytes32 wanted = keccak256(needle);
        for (uint256 i = 0; i + needle.length <= source.length; ++i) {
            if (source[i] == needle[0] && keccak256(_slice(source, i, i + needle.length)) == wanted) {
                (found, hits) = (i, hits + 1);
            }
        }
        vm.assertEq(hits, 1, "the bytes to change must stand in exactly one place");
    }
}
