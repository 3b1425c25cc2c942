// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../../contracts/attestation/DcapVerifier.sol";
import {PckCertificates} from "../../../../contracts/attestation/certificates/PckCertificates.sol";
import {PckCertificate} from "../../../../contracts/interfaces/attestation/IPckCertificates.sol";
import {QuoteClaims, TcbPolicy, VerifiedQuote} from "../../../../contracts/types/VerifiedQuote.sol";
import {AttestationVectors} from "../AttestationVectors.sol";
import {DateTimeLib} from "solady/utils/DateTimeLib.sol";

/// @notice The simulated machines' stores and verifier, and collateral that can be changed and signed again.
abstract contract CollateralFixture is AttestationVectors {
    string internal constant RECORDED = ".intel.collateral.tdx_b0c06f_2026-08";
    string internal constant ISSUED = "2026-01-14T12:00:00Z";
    string internal constant ENDS = "2026-02-13T12:00:00Z";
    uint256 internal constant ISSUED_AT = 1_768_392_000;
    uint256 internal constant ENDS_AT = 1_770_984_000;
    uint256 internal constant ROOT_CRL_ENDS_AT = 1_799_928_000; // 2027-01-14T12:00:00Z

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
        _upload(dcap, SIMULATED, SIMULATED);
    }

    /// @dev Any evaluation number, any age.
    function _anyPolicy() internal pure returns (TcbPolicy memory policy) {}

    function _policy(uint16 minimum, uint32 maxAge) internal pure returns (TcbPolicy memory) {
        return TcbPolicy({minimumEvaluationNumber: minimum, maxCollateralAge: maxAge});
    }

    function _verify(bytes memory quote) internal view returns (VerifiedQuote memory) {
        return dcap.verifyQuote(quote, firstPck, _anyPolicy());
    }

    /// @dev The claims of a quote of version 4.
    function _claimsOf(bytes memory core, bytes32 pckId) internal view returns (QuoteClaims memory claims) {
        PckCertificate memory pck = store.pckCertificate(pckId);
        claims.coreHash = keccak256(core);
        claims.measurement =
            keccak256(bytes.concat(_slice(core, 184, 232), _slice(core, 376, 520), _slice(core, 232, 280)));
        claims.platformId = keccak256(abi.encodePacked(pck.ppid));
        claims.qeSigner = bytes32(_slice(core, 888, 920));
        // ISVPRODID and ISVSVN are little-endian in the quote
        bytes memory numbers = abi.encodePacked(core[1017], core[1016], core[1019], core[1018]);
        claims.qeAndEnd = bytes32(
            abi.encodePacked(_slice(core, 808, 824), _slice(core, 776, 780), numbers, bytes3(0), pck.expiresAt)
        );
        claims.svns = bytes32(abi.encodePacked(pck.componentSvns, _slice(core, 48, 64)));
        claims.pck = bytes32(abi.encodePacked(pck.serial, pck.fmspc, pck.pceId, pck.pceSvn, pck.authorityIndex));
        claims.td = bytes32(abi.encodePacked(bytes16(0), _slice(core, 168, 184)));
    }

    /* BRINGING */

    /// @dev An empty verifier over Intel's recorded certificates, at the time of the recorded quote of 2026.
    function _intelVerifier() internal returns (DcapVerifier made, bytes32 authority, bytes32 signer) {
        vm.warp(_number(NEAR_MPC, "at"));
        PckCertificates certificates = new PckCertificates(_bytes(INTEL, "root"));
        authority = certificates.addAuthority(_bytes(INTEL, "authority"));
        signer = certificates.addCollateralSigner(_bytes(INTEL, "tcbSigning"));
        made = new DcapVerifier(certificates);
    }

    /// @dev All of a recorded or simulated set. `pki` is where its certificates are, `set` where its collateral is.
    function _upload(DcapVerifier to, string memory pki, string memory set) internal {
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

    /// @dev `source` with `to` at the only occurrence of `from`.
    function _edited(bytes memory source, bytes memory from, bytes memory to) internal pure returns (bytes memory) {
        uint256 place = _find(source, from);
        return bytes.concat(_slice(source, 0, place), to, _slice(source, place + from.length, source.length));
    }

    /// @dev Simulated collateral with another date of issue, of the same length.
    function _issued(bytes memory json, string memory date) internal pure returns (bytes memory) {
        return
            _edited(json, bytes(string.concat('"issueDate":"', ISSUED)), bytes(string.concat('"issueDate":"', date)));
    }

    /// @dev Simulated collateral of another evaluation number.
    function _ofNumber(bytes memory json, string memory number) internal pure returns (bytes memory) {
        return _edited(json, 'DataNumber":20', bytes(string.concat('DataNumber":', number)));
    }

    /// @dev With another byte at that place.
    function _flipped(bytes memory source, uint256 offset) internal pure returns (bytes memory changed) {
        changed = bytes.concat(source);
        changed[offset] ^= 0x04;
    }

    /// @dev A CRL of the simulated root (or of the platform authority) with these serial numbers.
    function _crl(bool isRoot, uint256 thisUpdate, uint256 nextUpdate, uint256[] memory serials)
        internal
        view
        returns (bytes memory)
    {
        bytes memory list = "";
        for (uint256 i = 0; i < serials.length; ++i) {
            bytes memory reason = hex"300c300a0603551d1504030a0101";
            list = bytes.concat(list, _element(0x30, bytes.concat(_integer(serials[i]), _utcTime(thisUpdate), reason)));
        }
        if (serials.length != 0) list = _element(0x30, list);
        bytes memory tbs = bytes.concat(
            hex"020101300a06082a8648ce3d040302",
            _issuerOf(_bytes(SIMULATED, isRoot ? "rootCrl" : "pckCrl")),
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

    /// @dev The DER of the issuer's name in a CRL.
    function _issuerOf(bytes memory crl) internal pure returns (bytes memory) {
        // a length is one byte plus as many as it says; version and algorithm have 15 bytes
        uint256 start = 6 + 15 + (uint8(crl[5]) >= 0x80 ? uint8(crl[5]) - 0x80 : 0);
        return _slice(crl, start, start + 2 + uint8(crl[start + 1]));
    }

    /// @dev A UTCTime element.
    function _utcTime(uint256 time) internal pure returns (bytes memory) {
        (uint256 year, uint256 month, uint256 day, uint256 hour, uint256 minute, uint256 second) =
            DateTimeLib.timestampToDateTime(time);
        bytes memory date = bytes.concat(_two(year % 100), _two(month), _two(day));
        return bytes.concat(hex"170d", date, _two(hour), _two(minute), _two(second), "Z");
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
