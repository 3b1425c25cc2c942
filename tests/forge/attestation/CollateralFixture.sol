// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../contracts/attestation/DcapVerifier.sol";
import {PckCertificates} from "../../../contracts/attestation/PckCertificates.sol";
import {TcbPolicy, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {AttestationVectors} from "./AttestationVectors.sol";

/// @notice The simulated machines' stores and verifier, and collateral that can be changed and signed again.
abstract contract CollateralFixture is AttestationVectors {
    PckCertificates internal store;
    DcapVerifier internal dcap;
    bytes32 internal authorityId;
    bytes32 internal signerId;
    bytes32 internal firstPck;
    bytes internal firstCore;
    bytes internal tcbInfo;
    bytes internal qeIdentity;
    uint256 internal simulatedAt;

    function setUp() public virtual {
        simulatedAt = _number(SIMULATED, "at");
        vm.warp(simulatedAt);
        store = new PckCertificates(_bytes(SIMULATED, "root"));
        authorityId = store.addAuthority(_bytes(SIMULATED, "authority"));
        signerId = store.addCollateralSigner(_bytes(SIMULATED, "tcbSigning"));
        firstPck = store.addPckCertificate(_bytes(FIRST, "leaf"), authorityId);
        store.addPckCertificate(_bytes(SECOND, "leaf"), authorityId);
        firstCore = _bytes(FIRST, "core");
        tcbInfo = _bytes(SIMULATED, "tcbInfo");
        qeIdentity = _bytes(SIMULATED, "qeIdentity");
        dcap = new DcapVerifier(store);
        _bring(dcap, SIMULATED, SIMULATED);
    }

    /// @dev Any evaluation number, any age.
    function _anyPolicy() internal pure returns (TcbPolicy memory policy) {}

    function _policy(uint16 minimum, uint32 maxAge) internal pure returns (TcbPolicy memory) {
        return TcbPolicy({minimumEvaluationNumber: minimum, maxCollateralAge: maxAge});
    }

    function _verify(bytes memory quote) internal view returns (VerifiedQuote memory) {
        return dcap.verifyQuote(quote, firstPck, _anyPolicy());
    }

    /* BRINGING */

    /// @dev All of a recorded or simulated set. `pki` is where its certificates are, `set` where its collateral is.
    function _bring(DcapVerifier to, string memory pki, string memory set) internal {
        bytes32 authority = to.certificates().addAuthority(_bytes(pki, "authority"));
        bytes32 signer = to.certificates().addCollateralSigner(_bytes(pki, "tcbSigning"));
        to.updateRootCrl(_bytes(set, "rootCrl"));
        to.updatePckCrl(_bytes(set, "pckCrl"), authority);
        to.updateTcbInfo(_bytes(set, "tcbInfo"), _bytes(set, "tcbInfoSignature"), signer);
        to.updateQeIdentity(_bytes(set, "qeIdentity"), _bytes(set, "qeIdentitySignature"), signer);
    }

    /// @dev A verifier over the same certificates, with the simulated CRLs and these two, signed again.
    function _verifierWith(bytes memory info, bytes memory identity) internal returns (DcapVerifier made) {
        made = new DcapVerifier(store);
        made.updateRootCrl(_bytes(SIMULATED, "rootCrl"));
        made.updatePckCrl(_bytes(SIMULATED, "pckCrl"), authorityId);
        made.updateTcbInfo(info, _signed(info), signerId);
        made.updateQeIdentity(identity, _signed(identity), signerId);
    }

    /// @dev r ‖ s, by the simulated signer of collateral.
    function _signed(bytes memory json) internal view returns (bytes memory) {
        (bytes32 r, bytes32 s) = cheats.signP256(uint256(_word(SIMULATED, "tcbSigningKey")), sha256(json));
        return abi.encodePacked(r, s);
    }

    /* CHANGING */

    /// @dev `source` with `to` in the one place where `from` stands.
    function _edited(bytes memory source, bytes memory from, bytes memory to) internal pure returns (bytes memory) {
        uint256 place = _find(source, from);
        return bytes.concat(_slice(source, 0, place), to, _slice(source, place + from.length, source.length));
    }

    /// @dev A CRL of the simulated root (or of the platform authority) with these serial numbers.
    function _crl(bool isRoot, uint256 thisUpdate, uint256 nextUpdate, uint256[] memory serials)
        internal
        view
        returns (bytes memory)
    {
        bytes memory names = _bytes(SIMULATED, isRoot ? "rootCrl" : "pckCrl");
        // version and algorithm have 15 bytes, the name one length byte
        uint256 start = uint8(names[5]) == 0x81 ? 7 + 15 : 6 + 15;
        bytes memory name = _slice(names, start, start + 2 + uint8(names[start + 1]));
        bytes memory list = "";
        for (uint256 i = 0; i < serials.length; ++i) {
            bytes memory reason = hex"300c300a0603551d1504030a0101";
            list = bytes.concat(list, _element(0x30, bytes.concat(_integer(serials[i]), _utcTime(thisUpdate), reason)));
        }
        if (serials.length != 0) list = _element(0x30, list);
        bytes memory tbs = bytes.concat(
            hex"020101300a06082a8648ce3d040302",
            name,
            _utcTime(thisUpdate),
            _utcTime(nextUpdate),
            list,
            _crlExtensions()
        );
        return _certificate(_element(0x30, tbs), uint256(_word(SIMULATED, isRoot ? "rootKey" : "authorityKey")));
    }

    function _crlExtensions() internal pure returns (bytes memory) {
        bytes memory number = hex"300a0603551d140403020101";
        bytes memory key = bytes.concat(hex"301f0603551d23041830168014", new bytes(20));
        return _element(0xa0, _element(0x30, bytes.concat(number, key)));
    }

    /// @dev A UTCTime element; until 2027 (a test's time is in 2026).
    function _utcTime(uint256 time) internal pure returns (bytes memory) {
        uint256 day = (time - 1_767_225_600) / 1 days; // since 2026-01-01
        uint256 year = 26;
        if (day >= 365) (year, day) = (27, day - 365);
        uint8[12] memory lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        uint256 month = 0;
        while (day >= lengths[month]) day -= lengths[month++];
        uint256 second = time % 1 days;
        bytes memory date = bytes.concat(_two(year), _two(month + 1), _two(day + 1));
        bytes memory clock = bytes.concat(_two(second / 3600), _two(second / 60 % 60), _two(second % 60));
        return bytes.concat(hex"170d", date, clock, "Z");
    }

    function _two(uint256 number) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x30 + number / 10), uint8(0x30 + number % 10));
    }

    function _noSerials() internal pure returns (uint256[] memory) {
        return new uint256[](0);
    }

    function _serials(uint256 one) internal pure returns (uint256[] memory serials) {
        serials = new uint256[](1);
        serials[0] = one;
    }

    /// @dev The serial number of a certificate of Intel's profile: two length bytes, twice, then version.
    function _serialOf(bytes memory der) internal pure returns (uint256 serial) {
        uint256 size = uint8(der[14]);
        for (uint256 i = 0; i < size; ++i) {
            serial = (serial << 8) | uint8(der[15 + i]);
        }
    }
}
